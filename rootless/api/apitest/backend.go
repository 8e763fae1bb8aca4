// Package apitest has a node that is only memory: the test double of api.Backend for the tests of the handlers, of the client
// and of the command line. Nothing in it runs.
//
// A Pod that is applied is running at once, a deleted one goes at once or, with Linger, when Remove
// is called. Exec knows the commands of a little made-up shell, see there.
package apitest

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/peapod/peapod/rootless/api"
	"github.com/peapod/peapod/rootless/kube"
)

// Backend is the memory. Its fields may be set before it is first used, and after that in Change.
type Backend struct {
	Linger        bool              // a deleted Pod stays, terminating, until Remove
	Warnings      []string          // of every apply
	LogText       map[string]string // by container name
	Events        []corev1.Event
	ContainerList []api.Container
	ImageList     []api.Image
	Details       map[string]api.ImageDetails // of images, by reference
	Progress      []api.PullProgress          // of every transfer
	UsedBy        map[string]string           // by reference: who uses an image
	Requests      []any                       // about images, as they came
	Deletions     []metav1.DeleteOptions      // as they came
	Stopped       chan struct{}               // closed by Shutdown
	Now           func() time.Time

	mu      sync.Mutex
	version int
	objects map[string]kube.Object
	history []change
	changed chan struct{} // closed and replaced at each change
}

// New returns a Backend without objects but the default namespace.
func New() *Backend {
	b := &Backend{
		Stopped: make(chan struct{}), Now: time.Now, version: 1, objects: map[string]kube.Object{}, changed: make(chan struct{}),
		LogText: map[string]string{},
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: metav1.NamespaceDefault, ResourceVersion: "1", CreationTimestamp: metav1.Now()}}
	namespace.Status.Phase = corev1.NamespaceActive
	b.objects[keyOf(namespace)] = namespace
	return b
}

var _ api.Backend = (*Backend)(nil)

// Change runs f while nobody looks.
func (b *Backend) Change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

// ListEvents is api.Backend's.
func (b *Backend) ListEvents(namespace string) (*corev1.EventList, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := &corev1.EventList{ListMeta: metav1.ListMeta{ResourceVersion: strconv.Itoa(len(b.Events))}}
	for _, event := range b.Events {
		if namespace == "" || event.Namespace == namespace {
			list.Items = append(list.Items, event)
		}
	}
	return list, nil
}

// WatchEvents is api.Backend's: what is newer, and then nothing more. The version of an event is its place in Events, from 1.
func (b *Backend) WatchEvents(ctx context.Context, namespace, version string) <-chan watch.Event {
	list := &corev1.EventList{}
	b.mu.Lock()
	seen, _ := strconv.Atoi(version)
	for _, event := range b.Events[min(seen, len(b.Events)):] {
		if namespace == "" || event.Namespace == namespace {
			list.Items = append(list.Items, event)
		}
	}
	b.mu.Unlock()
	out := make(chan watch.Event)
	go func() {
		defer close(out)
		for i := range list.Items {
			select {
			case out <- watch.Event{Type: watch.Added, Object: &list.Items[i]}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// Containers is api.Backend's.
func (b *Backend) Containers() ([]api.Container, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.ContainerList), nil
}

// Version is api.Backend's.
func (b *Backend) Version() api.Version {
	return api.Version{
		Version: "v0.1.0", GitCommit: "none", GoVersion: "go1.26", Platform: "linux/amd64", Kubernetes: "v1.37.0", Pid: 4711,
		DataDir: "/data", RunDir: "/run", ImageStore: "/store", Network: "relay",
	}
}

// Shutdown is api.Backend's; it may be called once.
func (b *Backend) Shutdown() { close(b.Stopped) }
