package node

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/peapod/peapod/rootless/state"
)

// registry holds the API objects as users see them, and the log of their changes. Objects in it are never changed, only
// replaced, so they are handed around without copies; what leaves the package is copied.
type registry struct {
	db *state.DB

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each change
	pods    map[string]*corev1.Pod
	log     []change // the last logLength changes, oldest first
	dropped uint64   // resourceVersion of the newest change that is no longer in the log
}

type change struct {
	version uint64
	event   watch.EventType
	pod     *corev1.Pod
}

// logLength bounds how far behind a watcher may be.
const logLength = 512

func newRegistry(db *state.DB) (*registry, error) {
	pods, err := db.Pods()
	if err != nil {
		return nil, err
	}
	r := &registry{db: db, changed: make(chan struct{}), pods: map[string]*corev1.Pod{}, dropped: version(db.Revision())}
	for _, pod := range pods {
		r.pods[key(pod.Namespace, pod.Name)] = pod
	}
	return r, nil
}

func key(namespace, name string) string { return namespace + "/" + name }

// version reads a resourceVersion; what is none counts as 0.
func version(s string) uint64 {
	v, _ := strconv.ParseUint(s, 10, 64)
	return v
}

func notFound(name string) error { return apierrors.NewNotFound(corev1.Resource("pods"), name) }

// get returns the object; it must not be changed.
func (r *registry) get(namespace, name string) (*corev1.Pod, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	pod, ok := r.pods[key(namespace, name)]
	if !ok {
		return nil, notFound(name)
	}
	return pod, nil
}

// list returns the objects of a namespace, all if it is empty, in order.
func (r *registry) list(namespace string) (pods []*corev1.Pod, resourceVersion string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, pod := range r.pods {
		if namespace == "" || pod.Namespace == namespace {
			pods = append(pods, pod)
		}
	}
	slices.SortFunc(pods, func(a, b *corev1.Pod) int {
		return strings.Compare(key(a.Namespace, a.Name), key(b.Namespace, b.Name))
	})
	return pods, r.db.Revision()
}

// create stores a new object durably.
func (r *registry) create(pod *corev1.Pod) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.db.Create(pod); err != nil {
		return err
	}
	r.put(watch.Added, pod)
	return nil
}

// update changes metadata or spec of the present object durably and returns the new one. change gets a copy.
func (r *registry) update(namespace, name string, change func(*corev1.Pod)) (*corev1.Pod, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, ok := r.pods[key(namespace, name)]
	if !ok {
		return nil, notFound(name)
	}
	pod := old.DeepCopy()
	change(pod)
	if err := r.db.Update(pod); err != nil {
		return nil, err
	}
	r.put(watch.Modified, pod)
	return pod, nil
}

// setStatus publishes a status, if it differs from the present one.
func (r *registry) setStatus(namespace, name string, status corev1.PodStatus) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, ok := r.pods[key(namespace, name)]
	if !ok || equality.Semantic.DeepEqual(old.Status, status) {
		return nil
	}
	pod := *old // metadata and spec are shared: neither is ever changed in place
	pod.Status = status
	if err := r.db.SaveStatus(&pod); err != nil {
		return err
	}
	r.put(watch.Modified, &pod)
	return nil
}

// remove deletes an object durably.
func (r *registry) remove(namespace, name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, ok := r.pods[key(namespace, name)]
	if !ok {
		return nil
	}
	revision, err := r.db.Delete(namespace, name)
	if err != nil {
		return err
	}
	delete(r.pods, key(namespace, name))
	last := *old
	last.ResourceVersion = revision
	r.note(watch.Deleted, &last)
	return nil
}

// put makes pod the present object. Preconditions: mu is held.
func (r *registry) put(event watch.EventType, pod *corev1.Pod) {
	r.pods[key(pod.Namespace, pod.Name)] = pod
	r.note(event, pod)
}

func (r *registry) note(event watch.EventType, pod *corev1.Pod) {
	if len(r.log) == logLength {
		r.dropped = r.log[0].version
		r.log = slices.Delete(r.log, 0, 1)
	}
	r.log = append(r.log, change{version(pod.ResourceVersion), event, pod})
	close(r.changed)
	r.changed = make(chan struct{})
}

// since returns the changes after a version, and a channel that is closed at the next one. ok is false if some are forgotten.
func (r *registry) since(after uint64) (changes []change, next <-chan struct{}, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if after < r.dropped {
		return nil, nil, false
	}
	first := len(r.log)
	for first > 0 && r.log[first-1].version > after {
		first--
	}
	return slices.Clone(r.log[first:]), r.changed, true
}

// watch sends changes after a version until the context ends.
func (r *registry) watch(ctx context.Context, namespace string, after uint64) (<-chan watch.Event, error) {
	if _, _, ok := r.since(after); !ok {
		return nil, expired(after)
	}
	out := make(chan watch.Event)
	go func() {
		defer close(out)
		for {
			changes, next, ok := r.since(after)
			if !ok {
				status := expired(after).Status()
				send(ctx, out, watch.Event{Type: watch.Error, Object: &status})
				return
			}
			for _, c := range changes {
				after = c.version
				if namespace != "" && c.pod.Namespace != namespace {
					continue
				}
				if !send(ctx, out, watch.Event{Type: c.event, Object: c.pod.DeepCopy()}) {
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
	return out, nil
}

func send(ctx context.Context, out chan<- watch.Event, e watch.Event) bool {
	select {
	case out <- e:
		return true
	case <-ctx.Done():
		return false
	}
}

func expired(after uint64) *apierrors.StatusError {
	return apierrors.NewResourceExpired("too old resource version: " + strconv.FormatUint(after, 10))
}
