package node

import (
	"slices"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/state"
)

// registry holds the API objects as users see them, and the log of their changes. Objects in it are never changed, only
// replaced, so they are handed around without copies; what leaves the package is copied.
type registry struct {
	db *state.DB

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each change
	objects map[*kube.Kind]map[string]kube.Object
	managed int      // objects that the controllers have to do with
	log     []change // the last changes of all kinds, oldest first
	logged  int      // how many bytes the objects in it have
	dropped uint64   // resourceVersion of the newest change that is no longer in the log
}

func newRegistry(db *state.DB) (*registry, error) {
	r := &registry{
		db: db, changed: make(chan struct{}), objects: map[*kube.Kind]map[string]kube.Object{}, dropped: version(db.Revision()),
	}
	for _, kind := range kube.Kinds {
		stored, err := db.Objects(kind.Resource)
		if err != nil {
			return nil, err
		}
		r.objects[kind] = make(map[string]kube.Object, len(stored))
		for _, o := range stored {
			r.objects[kind][keyOf(o)] = o
			r.managed += manages(o)
		}
	}
	return r, nil
}

func key(namespace, name string) string { return namespace + "/" + name }

func keyOf(o kube.Object) string { return key(o.GetNamespace(), o.GetName()) }

// version reads a resourceVersion; what is none counts as 0.
func version(s string) uint64 {
	v, _ := strconv.ParseUint(s, 10, 64)
	return v
}

// find returns the object. Preconditions: mu is held.
func (r *registry) find(kind *kube.Kind, namespace, name string) (kube.Object, error) {
	if o, ok := r.objects[kind][key(namespace, name)]; ok {
		return o, nil
	}
	return nil, apierrors.NewNotFound(kind.GroupResource(), name)
}

// get returns the object; it must not be changed.
func (r *registry) get(kind *kube.Kind, namespace, name string) (kube.Object, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.find(kind, namespace, name)
}

// pod is get for a Pod.
func (r *registry) pod(namespace, name string) (*corev1.Pod, error) {
	o, err := r.get(kube.Pods, namespace, name)
	if err != nil {
		return nil, err
	}
	return o.(*corev1.Pod), nil
}

// list returns the objects of a namespace, all if it is empty, in order.
func (r *registry) list(kind *kube.Kind, namespace string) (objects []kube.Object, resourceVersion string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range r.objects[kind] {
		if namespace == "" || o.GetNamespace() == namespace {
			objects = append(objects, o)
		}
	}
	slices.SortFunc(objects, func(a, b kube.Object) int { return strings.Compare(keyOf(a), keyOf(b)) })
	return objects, r.db.Revision()
}

// pods are all Pods in order.
func (r *registry) pods() []*corev1.Pod {
	objects, _ := r.list(kube.Pods, "")
	pods := make([]*corev1.Pod, len(objects))
	for i, o := range objects {
		pods[i] = o.(*corev1.Pod)
	}
	return pods
}

// create stores a new object durably.
func (r *registry) create(o kube.Object) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.db.Create(o); err != nil {
		return err
	}
	r.put(watch.Added, o)
	return nil
}

// update changes the present object durably, but for its status, and returns the new one. change gets a copy.
func (r *registry) update(kind *kube.Kind, namespace, name string, change func(kube.Object)) (kube.Object, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, err := r.find(kind, namespace, name)
	if err != nil {
		return nil, err
	}
	o := clone(old)
	change(o)
	if err := r.db.Update(o); err != nil {
		return nil, err
	}
	r.put(watch.Modified, o)
	return o, nil
}

func clone(o kube.Object) kube.Object { return o.DeepCopyObject().(kube.Object) }

// setStatus publishes a Pod's status, if it differs from the present one.
func (r *registry) setStatus(namespace, name string, status corev1.PodStatus) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, ok := r.objects[kube.Pods][key(namespace, name)].(*corev1.Pod)
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

// remove deletes an object durably. One that is not there is no error.
func (r *registry) remove(kind *kube.Kind, namespace, name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, ok := r.objects[kind][key(namespace, name)]
	if !ok {
		return nil
	}
	revision, err := r.db.Delete(kind.Resource, namespace, name)
	if err != nil {
		return err
	}
	delete(r.objects[kind], keyOf(old))
	r.managed -= manages(old)
	last := clone(old)
	last.SetResourceVersion(revision)
	r.note(watch.Deleted, last)
	return nil
}

// put makes o the present object. Preconditions: mu is held.
func (r *registry) put(event watch.EventType, o kube.Object) {
	all := r.objects[kube.KindOf(o)]
	if old := all[keyOf(o)]; old != nil {
		r.managed -= manages(old)
	}
	all[keyOf(o)] = o
	r.managed += manages(o)
	r.note(event, o)
}

// manages is 1 for an object that the controllers have to look at.
func manages(o kube.Object) int {
	switch kube.KindOf(o) {
	case kube.Namespaces:
		if o.GetDeletionTimestamp() == nil {
			return 0
		}
	case kube.Pods, kube.Secrets, kube.ConfigMaps, kube.Claims, kube.ServiceAccounts:
		if len(o.GetOwnerReferences()) == 0 {
			return 0
		}
	}
	return 1
}

// isManaged tells whether there is anything for the controllers.
func (r *registry) isManaged() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.managed > 0
}
