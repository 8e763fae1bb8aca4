package node

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/lifecycle"
)

// eventLog is the last events of all Pods. They are for people: they live in memory only and are gone with the node. An event that repeats
// the last one of its Pod's container with the same words is counted, as Kubernetes does.
type eventLog struct {
	node string

	mu     sync.Mutex
	events []*corev1.Event // oldest first
	serial uint64
	next   chan struct{} // closed and replaced by each event; nil as long as nobody waits
}

const eventsKept = 1000

func (l *eventLog) record(o kube.Object, e lifecycle.Emit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, kind := metav1.NewTime(time.Now()), kube.KindOf(o).TypeMeta()
	l.serial++
	if l.next != nil {
		close(l.next)
		l.next = nil
	}
	path := ""
	if pod, ok := o.(*corev1.Pod); ok {
		path = fieldPath(pod, e.Container)
	}
	for i, old := range slices.Backward(l.events) {
		if old.InvolvedObject.UID == o.GetUID() && old.InvolvedObject.FieldPath == path && old.Reason == e.Reason && old.Message == e.Message {
			again := *old
			again.Count++
			again.LastTimestamp = now
			again.ResourceVersion = fmt.Sprint(l.serial)
			l.events = append(slices.Delete(l.events, i, i+1), &again)
			return
		}
	}
	if len(l.events) == eventsKept {
		l.events = slices.Delete(l.events, 0, 1)
	}
	l.events = append(l.events, &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Name:              fmt.Sprintf("%s.%x", o.GetName(), uint64(now.UnixNano())+l.serial),
			Namespace:         o.GetNamespace(),
			CreationTimestamp: now,
			ResourceVersion:   fmt.Sprint(l.serial),
		},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: kind.APIVersion, Kind: kind.Kind, Namespace: o.GetNamespace(), Name: o.GetName(), UID: o.GetUID(), FieldPath: path,
		},
		Reason: e.Reason, Message: e.Message, Type: e.Type, Count: 1, FirstTimestamp: now, LastTimestamp: now,
		Source: corev1.EventSource{Component: "peapod", Host: l.node}, ReportingController: "peapod", ReportingInstance: l.node,
	})
}

// fieldPath is how an event refers to a container of a Pod.
func fieldPath(pod *corev1.Pod, container string) string {
	if container == "" {
		return ""
	}
	list := "containers"
	if slices.ContainsFunc(pod.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == container }) {
		list = "initContainers"
	}
	if slices.ContainsFunc(pod.Spec.EphemeralContainers, func(c corev1.EphemeralContainer) bool { return c.Name == container }) {
		list = "ephemeralContainers"
	}
	return fmt.Sprintf("spec.%s{%s}", list, container)
}

func (l *eventLog) list(namespace string) *corev1.EventList {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := &corev1.EventList{ListMeta: metav1.ListMeta{ResourceVersion: fmt.Sprint(l.serial)}}
	for _, e := range l.events {
		if namespace == "" || e.Namespace == namespace {
			list.Items = append(list.Items, *e)
		}
	}
	return list
}

// since returns the events after a version, and a channel that is closed at the next one.
func (l *eventLog) since(after uint64, namespace string) (changes []watch.Event, now uint64, next <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next == nil {
		l.next = make(chan struct{})
	}
	for _, e := range l.events {
		if version(e.ResourceVersion) <= after || namespace != "" && e.Namespace != namespace {
			continue
		}
		kind := watch.Added
		if e.Count > 1 {
			kind = watch.Modified
		}
		changes = append(changes, watch.Event{Type: kind, Object: e.DeepCopy()})
	}
	return changes, l.serial, l.next
}

// watch sends events after a version until the context ends.
func (l *eventLog) watch(ctx context.Context, namespace string, after uint64) <-chan watch.Event {
	out := make(chan watch.Event)
	go func() {
		defer close(out)
		for {
			changes, now, next := l.since(after, namespace)
			after = now
			for _, c := range changes {
				if !send(ctx, out, c) {
					return
				}
			}
			select {
			case <-next:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// forget drops the events of a Pod that is gone.
func (l *eventLog) forget(pod *corev1.Pod) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = slices.DeleteFunc(l.events, func(e *corev1.Event) bool { return e.InvolvedObject.UID == pod.UID })
}
