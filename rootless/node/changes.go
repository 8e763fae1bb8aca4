package node

import (
	"context"
	"slices"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/peapod/peapod/rootless/kube"
)

type change struct {
	version uint64
	event   watch.EventType
	kind    *kube.Kind
	object  kube.Object
	size    int // of the object, in bytes
}

// logLength and logBytes bound how far behind a watcher may be: in changes, of which the last is kept in any case, and in what they take of the memory.
const (
	logLength = 512
	logBytes  = 16 << 20
)

// note appends to the log and wakes the watchers. Preconditions: mu is held.
func (r *registry) note(event watch.EventType, o kube.Object) {
	c := change{version(o.GetResourceVersion()), event, kube.KindOf(o), o, o.(interface{ Size() int }).Size()}
	r.logged += c.size
	gone := 0
	for gone < len(r.log) && (len(r.log)-gone == logLength || r.logged > logBytes) {
		r.dropped = r.log[gone].version
		r.logged -= r.log[gone].size
		gone++
	}
	r.log = append(slices.Delete(r.log, 0, gone), c)
	close(r.changed)
	r.changed = make(chan struct{})
}

// next is closed at the next change.
func (r *registry) next() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
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

// watch sends changes of a kind after a version until the context ends.
func (r *registry) watch(ctx context.Context, kind *kube.Kind, namespace string, after uint64) (<-chan watch.Event, error) {
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
				if c.kind != kind || namespace != "" && c.object.GetNamespace() != namespace {
					continue
				}
				if !send(ctx, out, watch.Event{Type: c.event, Object: clone(c.object)}) {
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
