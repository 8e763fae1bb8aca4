// Package apitest has a node that is only memory: the test double of api.Backend for the tests of the handlers, of the client
// and of the command line. Nothing in it runs.
//
// A Pod that is applied is running at once, a deleted one goes at once or, with Linger, when Remove
// is called. Exec knows the commands of a little made-up shell, see there.
package apitest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/peapod/peapod/rootless/api"
)

// Backend is the memory. Its fields may be set before it is first used, and after that in Change.
type Backend struct {
	Linger        bool              // a deleted Pod stays, terminating, until Remove
	Warnings      []string          // of every apply
	LogText       map[string]string // by container name
	Events        []corev1.Event
	ContainerList []api.Container
	ImageList     []api.Image
	Progress      []api.PullProgress // of every pull
	Stopped       chan struct{}      // closed by Shutdown
	Now           func() time.Time

	mu      sync.Mutex
	version int
	pods    map[string]*corev1.Pod
	history []change
	changed chan struct{} // closed and replaced at each change
}

type change struct {
	version int
	event   watch.Event
}

// New returns an empty Backend.
func New() *Backend {
	return &Backend{
		Stopped: make(chan struct{}), Now: time.Now, version: 1, pods: map[string]*corev1.Pod{}, changed: make(chan struct{}),
		LogText: map[string]string{},
	}
}

var _ api.Backend = (*Backend)(nil)

func key(namespace, name string) string { return namespace + "/" + name }

func notFound(name string) error { return apierrors.NewNotFound(corev1.Resource("pods"), name) }

// Change runs f while nobody looks.
func (b *Backend) Change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

// Put stores a Pod as it is, with a new resourceVersion.
func (b *Backend) Put(pod *corev1.Pod) {
	b.mu.Lock()
	defer b.mu.Unlock()
	kind := watch.Modified
	if b.pods[key(pod.Namespace, pod.Name)] == nil {
		kind = watch.Added
	}
	b.store(kind, pod.DeepCopy())
}

// Remove ends a Pod.
func (b *Backend) Remove(namespace, name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if pod := b.pods[key(namespace, name)]; pod != nil {
		b.store(watch.Deleted, pod.DeepCopy())
	}
}

// Preconditions: b.mu is held, pod is the caller's own.
func (b *Backend) store(kind watch.EventType, pod *corev1.Pod) {
	b.version++
	pod.ResourceVersion = strconv.Itoa(b.version)
	if kind == watch.Deleted {
		delete(b.pods, key(pod.Namespace, pod.Name))
	} else {
		b.pods[key(pod.Namespace, pod.Name)] = pod
	}
	b.history = append(b.history, change{b.version, watch.Event{Type: kind, Object: pod}})
	close(b.changed)
	b.changed = make(chan struct{})
}

// GetPod is api.Backend's.
func (b *Backend) GetPod(namespace, name string) (*corev1.Pod, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if pod := b.pods[key(namespace, name)]; pod != nil {
		return pod.DeepCopy(), nil
	}
	return nil, notFound(name)
}

// ListPods is api.Backend's.
func (b *Backend) ListPods(namespace string) (*corev1.PodList, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := &corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: strconv.Itoa(b.version)}}
	for _, pod := range b.pods {
		if namespace == "" || pod.Namespace == namespace {
			list.Items = append(list.Items, *pod.DeepCopy())
		}
	}
	slices.SortFunc(list.Items, func(x, y corev1.Pod) int {
		return strings.Compare(key(x.Namespace, x.Name), key(y.Namespace, y.Name))
	})
	return list, nil
}

// WatchPods is api.Backend's. A version that is no number has been forgotten: 410 Gone.
func (b *Backend) WatchPods(ctx context.Context, namespace, resourceVersion string) (<-chan watch.Event, error) {
	after, err := strconv.Atoi(resourceVersion)
	if err != nil && resourceVersion != "" {
		return nil, apierrors.NewResourceExpired("too old resource version: " + resourceVersion)
	}
	events := make(chan watch.Event)
	go func() {
		defer close(events)
		for {
			for _, event := range b.after(&after, namespace) {
				select {
				case events <- event:
				case <-ctx.Done():
					return
				}
			}
			b.mu.Lock()
			changed, behind := b.changed, after < b.version
			b.mu.Unlock()
			if behind {
				continue
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}()
	return events, nil
}

func (b *Backend) after(version *int, namespace string) []watch.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	var events []watch.Event
	for _, c := range b.history {
		pod := c.event.Object.(*corev1.Pod)
		if c.version > *version && (namespace == "" || pod.Namespace == namespace) {
			events = append(events, watch.Event{Type: c.event.Type, Object: pod.DeepCopy()})
		}
	}
	*version = b.version
	return events
}

// ApplyPod is api.Backend's. A new Pod is running at once.
func (b *Backend) ApplyPod(_ context.Context, pod *corev1.Pod, options api.ApplyOptions) (*api.ApplyResult, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := pod.DeepCopy()
	old := b.pods[key(pod.Namespace, pod.Name)]
	outcome := api.Created
	if old == nil {
		next.UID = types.UID("uid-" + strconv.Itoa(b.version))
		next.CreationTimestamp = metav1.NewTime(b.Now())
		next.Status = running(next, b.Now())
	} else {
		next = old.DeepCopy()
		next.Spec, next.Labels, next.Annotations = pod.Spec, pod.Labels, pod.Annotations
		outcome = api.Configured
		if reflect.DeepEqual(next, old) {
			outcome = api.Unchanged
		}
	}
	if !options.DryRun && outcome != api.Unchanged {
		b.store(map[api.Outcome]watch.EventType{api.Created: watch.Added, api.Configured: watch.Modified}[outcome], next)
	}
	return &api.ApplyResult{Pod: next.DeepCopy(), Outcome: outcome, Warnings: slices.Clone(b.Warnings)}, nil
}

func running(pod *corev1.Pod, now time.Time) corev1.PodStatus {
	status := corev1.PodStatus{
		Phase: corev1.PodRunning, PodIP: "10.0.2.15", PodIPs: []corev1.PodIP{{IP: "10.0.2.15"}, {IP: "fd00::15"}},
		QOSClass: corev1.PodQOSBestEffort,
		Conditions: []corev1.PodCondition{
			{Type: corev1.PodReady, Status: corev1.ConditionTrue}, {Type: corev1.PodInitialized, Status: corev1.ConditionTrue},
		},
	}
	for _, container := range pod.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, corev1.ContainerStatus{
			Name: container.Name, Image: container.Image, Ready: true,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(now)}},
		})
	}
	return status
}

// DeletePod is api.Backend's. A grace period of 0 removes the Pod even with Linger.
func (b *Backend) DeletePod(_ context.Context, namespace, name string, options metav1.DeleteOptions) (*corev1.Pod, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.pods[key(namespace, name)]
	if old == nil {
		return nil, notFound(name)
	}
	pod := old.DeepCopy()
	if len(options.DryRun) > 0 {
		return pod, nil
	}
	now := metav1.NewTime(b.Now())
	pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = &now, options.GracePeriodSeconds
	b.store(watch.Modified, pod)
	if !b.Linger || (options.GracePeriodSeconds != nil && *options.GracePeriodSeconds == 0) {
		b.store(watch.Deleted, pod.DeepCopy())
	}
	return pod.DeepCopy(), nil
}

// ListEvents is api.Backend's.
func (b *Backend) ListEvents(namespace string) (*corev1.EventList, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := &corev1.EventList{}
	for _, event := range b.Events {
		if namespace == "" || event.Namespace == namespace {
			list.Items = append(list.Items, event)
		}
	}
	return list, nil
}

// Containers is api.Backend's.
func (b *Backend) Containers() ([]api.Container, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.ContainerList), nil
}

// Images is api.Backend's.
func (b *Backend) Images() ([]api.Image, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.ImageList), nil
}

// Pull is api.Backend's: it reports Progress from two goroutines and fails for a reference that contains "missing".
func (b *Backend) Pull(_ context.Context, reference string, report func(api.PullProgress)) (*api.Image, error) {
	b.mu.Lock()
	lines := slices.Clone(b.Progress)
	b.mu.Unlock()
	var group sync.WaitGroup
	half := len(lines) / 2
	for _, part := range [][]api.PullProgress{lines[:half], lines[half:]} {
		group.Go(func() {
			for _, line := range part {
				report(line)
			}
		})
	}
	group.Wait()
	if strings.Contains(reference, "missing") {
		return nil, errors.New("pull " + reference + ": manifest unknown")
	}
	return &api.Image{ID: "sha256:" + strings.Repeat("ab", 32), Names: []string{reference}}, nil
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
