package node

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/lifecycle"
	"github.com/peapod/peapod/rootless/state"
)

func testRegistry(t *testing.T) *registry {
	t.Helper()
	db, err := state.Open(filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	r, err := newRegistry(db)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func testPod(name string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("uid-" + name)},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a"}, {Name: "b"}}}}
}

func TestRegistryWatch(t *testing.T) {
	r := testRegistry(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, start := r.list(kube.Pods, "")
	events, err := r.watch(ctx, kube.Pods, "", version(start))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.create(testPod("demo")); err != nil {
		t.Fatal(err)
	}
	for _, phase := range []corev1.PodPhase{corev1.PodRunning, corev1.PodRunning} { // the second changes nothing
		if err := r.setStatus("default", "demo", corev1.PodStatus{Phase: phase}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.remove(kube.Pods, "default", "demo"); err != nil {
		t.Fatal(err)
	}
	last := version(start)
	for _, want := range []watch.EventType{watch.Added, watch.Modified, watch.Deleted} {
		e := <-events
		pod, ok := e.Object.(*corev1.Pod)
		if !ok || e.Type != want || version(pod.ResourceVersion) <= last {
			t.Errorf("got %s %+v after version %d, want %s", e.Type, e.Object, last, want)
			continue
		}
		last = version(pod.ResourceVersion)
	}
	cancel()
	if e, ok := <-events; ok {
		t.Errorf("after the end came %v", e)
	}
}

func TestRegistryForgetsOldChanges(t *testing.T) {
	r := testRegistry(t)
	_, start := r.list(kube.Pods, "")
	if err := r.create(testPod("demo")); err != nil {
		t.Fatal(err)
	}
	for i := range logLength + 1 {
		if err := r.setStatus("default", "demo", corev1.PodStatus{Message: string(rune(i + 1))}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.watch(t.Context(), kube.Pods, "", version(start)); !apierrors.IsResourceExpired(err) {
		t.Errorf("a watch from a forgotten version: %v", err)
	}
	if len(r.log) != logLength {
		t.Errorf("the log has %d changes", len(r.log))
	}
}

// TestRegistryForgetsLargeChanges: somebody changes a large object again and again.
func TestRegistryForgetsLargeChanges(t *testing.T) {
	r := testRegistry(t)
	large := func(o kube.Object) {
		o.(*corev1.ConfigMap).Data = map[string]string{"a": strings.Repeat("x", logBytes/4)}
	}
	c := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "large"}}
	if err := r.create(c); err != nil {
		t.Fatal(err)
	}
	for range 8 {
		if _, err := r.update(kube.ConfigMaps, "default", "large", large); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.log) != 3 { // four of them and what is around the data would be more
		t.Errorf("the log has %d changes", len(r.log))
	}
	last := r.log[2].version
	if changes, _, ok := r.since(last - 1); !ok || len(changes) != 1 {
		t.Errorf("the last change is forgotten: %d", len(changes))
	}
	// One that is larger than all of it is told too.
	if _, err := r.update(kube.ConfigMaps, "default", "large", func(o kube.Object) {
		o.(*corev1.ConfigMap).Data = map[string]string{"a": strings.Repeat("x", 2*logBytes)}
	}); err != nil {
		t.Fatal(err)
	}
	if changes, _, ok := r.since(last); !ok || len(changes) != 1 || len(r.log) != 1 {
		t.Errorf("after it: %d of %d changes", len(changes), len(r.log))
	}
	if err := r.remove(kube.ConfigMaps, "default", "large"); err != nil {
		t.Fatal(err)
	}
	if err := r.create(testPod("small")); err != nil {
		t.Fatal(err)
	}
	if len(r.log) != 1 || r.logged != r.log[0].size {
		t.Errorf("%d changes of %d bytes are left", len(r.log), r.logged)
	}
	for _, kind := range kube.Kinds {
		if _, ok := kind.New().(interface{ Size() int }); !ok {
			t.Errorf("a %s has no size", kind.Name)
		}
	}
}

func TestRegistryNotFound(t *testing.T) {
	r := testRegistry(t)
	if _, err := r.pod("default", "demo"); !apierrors.IsNotFound(err) {
		t.Error(err)
	}
	if _, err := r.update(kube.Pods, "default", "demo", func(kube.Object) {}); !apierrors.IsNotFound(err) {
		t.Error(err)
	}
	if err := r.remove(kube.Pods, "default", "demo"); err != nil {
		t.Error(err)
	}
}

func TestMailboxKeepsOrder(t *testing.T) {
	m, stop := newMailbox(), make(chan struct{})
	m.post(lifecycle.Added{}, lifecycle.Tick{})
	go m.post(lifecycle.SandboxLost{})
	for _, want := range []lifecycle.Event{lifecycle.Added{}, lifecycle.Tick{}, lifecycle.SandboxLost{}} {
		if got, ok := m.take(stop); !ok || got != want {
			t.Errorf("got %T, want %T", got, want)
		}
	}
	close(stop)
	if e, ok := m.take(stop); ok {
		t.Errorf("after the end came %T", e)
	}
}

func TestEventsAreCounted(t *testing.T) {
	l, pod := &eventLog{node: "host"}, testPod("demo")
	pulling := lifecycle.Emit{Type: "Normal", Reason: "Pulling", Message: "Pulling image", Container: "a"}
	l.record(pod, pulling)
	l.record(pod, lifecycle.Emit{Type: "Warning", Reason: "Failed", Message: "Error", Container: "a"})
	l.record(pod, pulling)
	list := l.list("default")
	if len(list.Items) != 2 || list.Items[1].Reason != "Pulling" || list.Items[1].Count != 2 || list.Items[1].InvolvedObject.FieldPath != "spec.containers{a}" {
		t.Errorf("got %+v", list.Items)
	}
	if l.list("other").Items != nil {
		t.Error("another namespace has events")
	}
	for range eventsKept + 10 {
		l.record(testPod(newID()), pulling)
	}
	if n := len(l.list("").Items); n != eventsKept {
		t.Errorf("%d events are kept", n)
	}
	l.forget(pod)
}

func TestStatusOf(t *testing.T) {
	pod, name := testPod("demo"), ""
	if _, err := statusOf(pod, &name); err != nil || name != "a" {
		t.Errorf("no container named: got %q, %v", name, err)
	}
	name = ""
	pod.Annotations = map[string]string{defaultContainer: "b"}
	if _, err := statusOf(pod, &name); err != nil || name != "b" {
		t.Errorf("got %q, %v", name, err)
	}
	name = "c"
	if _, err := statusOf(pod, &name); !apierrors.IsBadRequest(err) {
		t.Errorf("an unknown container: %v", err)
	}
}

func TestLogInstance(t *testing.T) {
	pod := testPod("demo")
	crashed := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ContainerID: "peapod://old"}}
	for _, test := range []struct {
		name     string
		status   *corev1.ContainerStatus
		previous bool
		id       string
		attempt  int32
		failed   bool
	}{
		{"not started", nil, false, "", 0, true},
		{"running", &corev1.ContainerStatus{ContainerID: "peapod://new"}, false, "new", 0, false},
		{"none before", &corev1.ContainerStatus{ContainerID: "peapod://new"}, true, "", 0, true},
		{"one before", &corev1.ContainerStatus{ContainerID: "peapod://new", RestartCount: 1, LastTerminationState: crashed}, true, "old", 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			id, attempt, err := logInstance(pod, test.status, &corev1.PodLogOptions{Container: "a", Previous: test.previous})
			if id != test.id || attempt != test.attempt || (err != nil) != test.failed {
				t.Errorf("got %q, %d, %v", id, attempt, err)
			}
		})
	}
}

func TestReadOnlyMappings(t *testing.T) {
	const maps = `00400000-01000000 r-xp 00000000 fe:00 1 /usr/bin/pea pod
01000000-02000000 r--p 00c00000 fe:00 1                          /usr/bin/pea pod
02000000-02100000 rw-p 01c00000 fe:00 1                          /usr/bin/pea pod
03000000-03100000 r--p 00000000 fe:00 2                          /usr/lib/other
04000000-04100000 r-xs 00000000 fe:00 1                          /usr/bin/pea pod
c000000000-c000400000 rw-p 00000000 00:00 0
nonsense
`
	got := readOnlyMappings(strings.NewReader(maps), "/usr/bin/pea pod")
	if len(got) != 2 || got[0] != (mapping{0x400000, 0x1000000}) || got[1] != (mapping{0x1000000, 0x2000000}) {
		t.Errorf("got %x", got)
	}
}

func TestParseAddrs(t *testing.T) {
	if a, err := parseAddrs([]string{"10.0.0.2", "fd00::2"}); err != nil || a.V4.String() != "10.0.0.2" || a.V6.String() != "fd00::2" {
		t.Errorf("got %v, %v", a, err)
	}
	for _, bad := range [][]string{nil, {"10.0.0.2"}, {"x", "fd00::2"}, {"10.0.0.2", "y"}} {
		if _, err := parseAddrs(bad); err == nil {
			t.Errorf("%q is no error", bad)
		}
	}
}

func TestAwaitReady(t *testing.T) {
	for word, want := range map[string]error{readyWord + "\n": nil, ErrRunning.Error() + "\n": ErrRunning, "": errSilent} {
		if err := awaitReady(strings.NewReader(word), state.Paths{State: t.TempDir()}); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", word, err, want)
		}
	}
	if err := awaitReady(strings.NewReader("no ids\n"), state.Paths{}); err == nil || err.Error() != "no ids" {
		t.Errorf("got %v", err)
	}
}
