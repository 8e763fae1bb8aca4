package node

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/peapod/peapod/rootless/lifecycle"
)

// TestWatchEvents: what there is, then what comes, each once; one that comes again is counted and MODIFIED.
func TestWatchEvents(t *testing.T) {
	l := &eventLog{}
	pod := func(namespace string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "p", UID: "u-1"}}
	}
	ctx, cancel := context.WithCancel(t.Context())
	l.record(pod("a"), lifecycle.Emit{Reason: "One"})
	l.record(pod("b"), lifecycle.Emit{Reason: "Other"})
	events := l.watch(ctx, "a", 0)
	want := func(kind watch.EventType, reason string, count int32) {
		t.Helper()
		e := <-events
		if o := e.Object.(*corev1.Event); e.Type != kind || o.Reason != reason || o.Count != count {
			t.Errorf("%s %s ×%d, want %s %s ×%d", e.Type, o.Reason, o.Count, kind, reason, count)
		}
	}
	want(watch.Added, "One", 1)
	l.record(pod("b"), lifecycle.Emit{Reason: "Other more"})
	l.record(pod("a"), lifecycle.Emit{Reason: "Two"})
	want(watch.Added, "Two", 1)
	l.record(pod("a"), lifecycle.Emit{Reason: "One"})
	want(watch.Modified, "One", 2)
	late := l.watch(ctx, "", version(l.list("").ResourceVersion))
	l.record(pod("a"), lifecycle.Emit{Reason: "Three"})
	want(watch.Added, "Three", 1)
	if e := <-late; e.Object.(*corev1.Event).Reason != "Three" {
		t.Errorf("a watch from now begins with %v", e.Object)
	}
	cancel()
	for range events {
		t.Error("something comes after the end")
	}
}
