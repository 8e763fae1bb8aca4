package controller

import (
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/peapod/peapod/rootless/kube"
)

// Plan is what is to be done for an object.
type Plan struct {
	Actions []Action
	Object  kube.Object // a copy, with its present status
	WakeAt  time.Time   // zero: there is nothing to wait for
}

// Action is one of the types below. They are done in order.
type Action interface{ action() string }

type (
	// Create makes an object. One with a GenerateName but no name gets one.
	Create struct {
		Object  kube.Object
		Message string // of the event SuccessfulCreate, with %s for the name; empty for none
	}
	// Delete deletes an object.
	Delete struct {
		Object  kube.Object
		Message string // of the event SuccessfulDelete, likewise
	}
	// Update stores metadata and spec of an object that is there.
	Update struct{ Object kube.Object }
	// Emit tells an event about the object that the plan is for.
	Emit struct{ Type, Reason, Message string }
)

func (a Create) action() string {
	name := a.Object.GetName()
	if name == "" {
		name = a.Object.GetGenerateName() + "*"
	}
	return "create " + kube.KindOf(a.Object).Resource + "/" + name
}
func (a Delete) action() string {
	return "delete " + kube.KindOf(a.Object).Resource + "/" + a.Object.GetName()
}
func (a Update) action() string {
	return "update " + kube.KindOf(a.Object).Resource + "/" + a.Object.GetName()
}
func (a Emit) action() string { return fmt.Sprintf("%s %s: %s", a.Type, a.Reason, a.Message) }

func (p *Plan) create(o kube.Object, message string) {
	p.Actions = append(p.Actions, Create{o, message})
}
func (p *Plan) delete(o kube.Object, message string) {
	p.Actions = append(p.Actions, Delete{o, message})
}
func (p *Plan) update(o kube.Object) { p.Actions = append(p.Actions, Update{o}) }

func (p *Plan) emit(kind, reason, format string, args ...any) {
	p.Actions = append(p.Actions, Emit{kind, reason, fmt.Sprintf(format, args...)})
}

// wake asks for another look at t.
func (p *Plan) wake(t time.Time) {
	if p.WakeAt.IsZero() || t.Before(p.WakeAt) {
		p.WakeAt = t
	}
}

// The messages of most events.
const (
	createdPod = "Created pod: %s"
	deletedPod = "Deleted pod: %s"
)

// reference names the owner as the controller of what it makes.
func reference(owner kube.Object) metav1.OwnerReference {
	return *metav1.NewControllerRef(owner, kube.KindOf(owner).GroupVersion().WithKind(kube.KindOf(owner).Name))
}

// podFrom is a Pod of a template, without a name.
func podFrom(owner kube.Object, template *corev1.PodTemplateSpec) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: owner.GetNamespace(), GenerateName: owner.GetName() + "-",
			Labels: maps.Clone(template.Labels), Annotations: maps.Clone(template.Annotations), Finalizers: template.Finalizers,
			OwnerReferences: []metav1.OwnerReference{reference(owner)},
		},
		Spec: *template.Spec.DeepCopy(),
	}
	if pod.Labels == nil {
		pod.Labels = map[string]string{}
	}
	return pod
}

func ended(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// active says whether a Pod counts as one that runs or will.
func active(p *corev1.Pod) bool { return !ended(p) && p.DeletionTimestamp == nil }

// readySince is when a Pod became ready; ok is false if it is not.
func readySince(p *corev1.Pod) (t time.Time, ok bool) {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.LastTransitionTime.Time, c.Status == corev1.ConditionTrue
		}
	}
	return t, false
}

func ready(p *corev1.Pod) bool { _, ok := readySince(p); return ok }

// available says whether a Pod has been ready for long enough; if only time is missing, the plan wakes then.
func (p *Plan) available(pod *corev1.Pod, minReady int32, now time.Time) bool {
	since, ok := readySince(pod)
	due := since.Add(time.Duration(minReady) * time.Second)
	if ok && minReady > 0 && due.After(now) {
		p.wake(due)
		return false
	}
	return ok
}

// with is a copy of labels or annotations, of which there may be none, with one more.
func with(all map[string]string, key, value string) map[string]string {
	all = maps.Clone(all)
	if all == nil {
		all = map[string]string{}
	}
	all[key] = value
	return all
}

func isTrue(b *bool) bool { return b != nil && *b }

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
