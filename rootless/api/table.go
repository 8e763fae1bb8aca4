package api

import (
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/peapod/peapod/rootless/kube"
)

// Tables are the server's side of `get`: the server knows the columns, the client only lays them out. Columns of priority 0
// are always shown, those of priority 1 with -o wide. Cells hold what is printed: ages are relative to the moment of the
// answer. Each row carries its object's metadata, or as much of the object as the client asks for with includeObject.

const (
	none    = "<none>"
	unknown = "<unknown>"
)

func newTable(columns ...metav1.TableColumnDefinition) *metav1.Table {
	return &metav1.Table{
		TypeMeta:          metav1.TypeMeta{Kind: "Table", APIVersion: metav1.SchemeGroupVersion.String()},
		ColumnDefinitions: columns,
		Rows:              []metav1.TableRow{},
	}
}

func column(name string) metav1.TableColumnDefinition {
	if name == "Name" {
		return metav1.TableColumnDefinition{Name: name, Type: "string", Format: "name"}
	}
	return metav1.TableColumnDefinition{Name: name, Type: "string"}
}

func wideColumn(name string) metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{Name: name, Type: "string", Priority: 1}
}

// inRow is what a row carries of its object.
func (r *resource) inRow(o kube.Object, include metav1.IncludeObjectPolicy) runtime.RawExtension {
	switch include {
	case metav1.IncludeNone:
		return runtime.RawExtension{}
	case metav1.IncludeObject:
		r.setType(o)
		return runtime.RawExtension{Object: o}
	}
	metadata := meta.AsPartialObjectMetadata(o)
	metadata.TypeMeta = metav1.TypeMeta{Kind: "PartialObjectMetadata", APIVersion: metav1.SchemeGroupVersion.String()}
	return runtime.RawExtension{Object: metadata}
}

func (s *server) sendTable(w http.ResponseWriter, r *http.Request, table *metav1.Table, meta metav1.ListMeta) error {
	table.ListMeta = meta
	return s.sendJSON(w, r, http.StatusOK, table)
}

func restartsCell(sum summary, now time.Time) string {
	if sum.restarts == 0 || sum.lastRestart.IsZero() {
		return fmt.Sprint(sum.restarts)
	}
	return fmt.Sprintf("%d (%s ago)", sum.restarts, age(sum.lastRestart, now))
}

func podIP(pod *corev1.Pod) string {
	if len(pod.Status.PodIPs) > 0 {
		return orNone(pod.Status.PodIPs[0].IP)
	}
	return orNone(pod.Status.PodIP)
}

// readinessGates counts the gates whose condition is true.
func readinessGates(pod *corev1.Pod) string {
	if len(pod.Spec.ReadinessGates) == 0 {
		return none
	}
	open := 0
	for _, gate := range pod.Spec.ReadinessGates {
		if conditionTrue(pod, gate.ConditionType) {
			open++
		}
	}
	return fmt.Sprintf("%d/%d", open, len(pod.Spec.ReadinessGates))
}

// age is how long ago something happened, in kubectl's short form.
func age(t metav1.Time, now time.Time) string {
	if t.IsZero() {
		return unknown
	}
	return duration.HumanDuration(now.Sub(t.Time))
}

func orNone(text string) string {
	if text == "" {
		return none
	}
	return text
}
