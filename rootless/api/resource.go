package api

import (
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"

	"github.com/peapod/peapod/rootless/kube"
)

// resource is how the objects of a kind are served. Another kind is another value in resources.
type resource struct {
	kind       *kube.Kind
	shortNames []string
	categories []string
	columns    []metav1.TableColumnDefinition
	cells      func(o kube.Object, now time.Time) []any // one for each column
	fields     func(o kube.Object) fields.Set           // by which one may select, apart from name and namespace; nil: none
}

var resources = append(coreResources, workloads...)

var coreResources = []*resource{
	{
		kind: kube.Pods, shortNames: []string{"po"}, categories: []string{"all"},
		columns: []metav1.TableColumnDefinition{
			column("Name"), column("Ready"), column("Status"), column("Restarts"), column("Age"),
			wideColumn("IP"), wideColumn("Node"), wideColumn("Nominated Node"), wideColumn("Readiness Gates"),
		},
		cells:  func(o kube.Object, now time.Time) []any { return podCells(o.(*corev1.Pod), now) },
		fields: func(o kube.Object) fields.Set { return podFields(o.(*corev1.Pod)) },
	},
	{
		kind:    kube.Secrets,
		columns: []metav1.TableColumnDefinition{column("Name"), column("Type"), column("Data"), column("Age")},
		cells:   func(o kube.Object, now time.Time) []any { return secretCells(o.(*corev1.Secret), now) },
		fields:  func(o kube.Object) fields.Set { return fields.Set{"type": string(o.(*corev1.Secret).Type)} },
	},
	{
		kind: kube.ConfigMaps, shortNames: []string{"cm"},
		columns: []metav1.TableColumnDefinition{column("Name"), column("Data"), column("Age")},
		cells:   func(o kube.Object, now time.Time) []any { return configMapCells(o.(*corev1.ConfigMap), now) },
	},
	{
		kind: kube.Claims, shortNames: []string{"pvc"},
		columns: []metav1.TableColumnDefinition{
			column("Name"), column("Status"), column("Volume"), column("Capacity"), column("Access Modes"), column("StorageClass"),
			column("VolumeAttributesClass"), column("Age"), wideColumn("VolumeMode"),
		},
		cells: func(o kube.Object, now time.Time) []any { return claimCells(o.(*corev1.PersistentVolumeClaim), now) },
	},
	{
		kind: kube.Services, shortNames: []string{"svc"}, categories: []string{"all"},
		columns: tableColumns("Name,Type,Cluster-IP,External-IP,Port(s),Age", "Selector"),
		cells:   func(o kube.Object, now time.Time) []any { return serviceCells(o.(*corev1.Service), now) },
		fields: func(o kube.Object) fields.Set {
			return fields.Set{"spec.clusterIP": o.(*corev1.Service).Spec.ClusterIP, "spec.type": string(o.(*corev1.Service).Spec.Type)}
		},
	},
	{
		kind: kube.Endpoints, shortNames: []string{"ep"},
		columns: []metav1.TableColumnDefinition{column("Name"), column("Endpoints"), column("Age")},
		cells:   func(o kube.Object, now time.Time) []any { return endpointsCells(o.(*corev1.Endpoints), now) },
	},
	{
		kind:    kube.EndpointSlices,
		columns: []metav1.TableColumnDefinition{column("Name"), column("AddressType"), column("Ports"), column("Endpoints"), column("Age")},
		cells: func(o kube.Object, now time.Time) []any {
			return endpointSliceCells(o.(*discoveryv1.EndpointSlice), now)
		},
	},
	{
		kind: kube.Namespaces, shortNames: []string{"ns"},
		columns: []metav1.TableColumnDefinition{column("Name"), column("Status"), column("Age")},
		cells: func(o kube.Object, now time.Time) []any {
			n := o.(*corev1.Namespace)
			return []any{n.Name, string(n.Status.Phase), age(n.CreationTimestamp, now)}
		},
		fields: func(o kube.Object) fields.Set {
			return fields.Set{"status.phase": string(o.(*corev1.Namespace).Status.Phase)}
		},
	},
	{
		kind: kube.ServiceAccounts, shortNames: []string{"sa"},
		columns: []metav1.TableColumnDefinition{column("Name"), column("Secrets"), column("Age")},
		cells: func(o kube.Object, now time.Time) []any {
			a := o.(*corev1.ServiceAccount)
			return []any{a.Name, strconv.Itoa(len(a.Secrets)), age(a.CreationTimestamp, now)}
		},
	},
}

// table lays out objects, as they are in a list or one by one in a watch.
func (r *resource) table(objects []kube.Object, include metav1.IncludeObjectPolicy, now time.Time) *metav1.Table {
	table := newTable(r.columns...)
	for _, o := range objects {
		table.Rows = append(table.Rows, metav1.TableRow{Cells: r.cells(o, now), Object: r.inRow(o, include)})
	}
	return table
}

// fieldsOf are all fields of an object by which one may select.
func (r *resource) fieldsOf(o kube.Object) fields.Set {
	set := fields.Set{}
	if r.fields != nil {
		set = r.fields(o)
	}
	set["metadata.name"], set["metadata.namespace"] = o.GetName(), o.GetNamespace()
	return set
}

func (r *resource) matches(s selection, o kube.Object) bool {
	return s.everything() || s.matches(o.GetLabels(), r.fieldsOf(o))
}

// setType names the kind, which stored objects need not.
func (r *resource) setType(o kube.Object) {
	o.GetObjectKind().SetGroupVersionKind(r.kind.GroupVersion().WithKind(r.kind.Name))
}

// path is where the objects are: /api/v1 or /apis/apps/v1.
func (r *resource) path() string {
	if r.kind.Group == "" {
		return "/api/" + r.kind.Version
	}
	return "/apis/" + r.kind.Group + "/" + r.kind.Version
}

func podCells(pod *corev1.Pod, now time.Time) []any {
	sum := summarize(pod)
	return []any{
		pod.Name,
		fmt.Sprintf("%d/%d", sum.ready, sum.containers),
		sum.reason,
		restartsCell(sum, now),
		age(pod.CreationTimestamp, now),
		podIP(pod),
		orNone(pod.Spec.NodeName),
		orNone(pod.Status.NominatedNodeName),
		readinessGates(pod),
	}
}

func secretCells(s *corev1.Secret, now time.Time) []any {
	return []any{s.Name, string(s.Type), strconv.Itoa(len(s.Data)), age(s.CreationTimestamp, now)}
}
