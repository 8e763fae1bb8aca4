package node

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/peapod/peapod/rootless/api"
	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/lifecycle"
)

var _ api.Backend = (*Node)(nil)

// GetObject is in api.Backend.
func (n *Node) GetObject(kind *kube.Kind, namespace, name string) (kube.Object, error) {
	o, err := n.registry.get(kind, namespace, name)
	if err != nil {
		return nil, err
	}
	return clone(o), nil
}

// ListObjects is in api.Backend.
func (n *Node) ListObjects(kind *kube.Kind, namespace string) (*api.ObjectList, error) {
	objects, version := n.registry.list(kind, namespace)
	for i, o := range objects {
		objects[i] = clone(o)
	}
	return &api.ObjectList{ResourceVersion: version, Items: objects}, nil
}

// WatchObjects is in api.Backend.
func (n *Node) WatchObjects(ctx context.Context, kind *kube.Kind, namespace, resourceVersion string) (<-chan watch.Event, error) {
	if after := version(resourceVersion); after != 0 {
		return n.registry.watch(ctx, kind, namespace, after)
	}
	objects, now := n.registry.list(kind, namespace)
	changes, err := n.registry.watch(ctx, kind, namespace, version(now))
	if err != nil {
		return nil, err
	}
	out := make(chan watch.Event)
	go func() {
		defer close(out)
		for _, o := range objects {
			if !send(ctx, out, watch.Event{Type: watch.Added, Object: clone(o)}) {
				return
			}
		}
		for e := range changes {
			if !send(ctx, out, e) {
				return
			}
		}
	}()
	return out, nil
}

// features are what this machine gives.
func (n *Node) features() kube.Features {
	return kube.Features{Cgroups: n.cgroups != nil, IDs: !n.maps.Single(), LowPort: lowPort}
}

// ApplyObject is in api.Backend.
func (n *Node) ApplyObject(_ context.Context, o kube.Object, options api.ApplyOptions) (*api.ApplyResult, error) {
	o = clone(o)
	kind := kube.KindOf(o)
	kind.Default(o)
	if errs := kind.Validate(o, n.features()); len(errs) > 0 {
		return nil, apierrors.NewInvalid(kind.GroupKind(), o.GetName(), errs)
	}
	result := &api.ApplyResult{Warnings: kube.WithoutEffect(o, n.features())}
	n.applying.Lock()
	defer n.applying.Unlock()
	stored, err := n.registry.get(kind, o.GetNamespace(), o.GetName())
	switch {
	case apierrors.IsNotFound(err):
		result.Outcome = api.Created
		result.Object, err = n.create(o, options.DryRun)
	case err == nil:
		result.Outcome, result.Object, err = n.update(kind, o, stored, options.DryRun)
	}
	if err != nil {
		return nil, err
	}
	result.Object = clone(result.Object)
	return result, nil
}

// create stores a new object; a Pod begins to run.
func (n *Node) create(o kube.Object, dryRun bool) (kube.Object, error) {
	o.SetUID(types.UID(uuid.NewString()))
	o.SetCreationTimestamp(metav1.NewTime(time.Now().Truncate(time.Second)))
	o.SetGeneration(0)
	if template, _ := kube.Template(o); template != nil {
		o.SetGeneration(1)
	}
	o.SetDeletionTimestamp(nil)
	o.SetDeletionGracePeriodSeconds(nil)
	o.SetResourceVersion("")
	switch o := o.(type) {
	case *corev1.Pod:
		if errs := kube.ValidateCreate(o); len(errs) > 0 {
			return nil, apierrors.NewInvalid(kube.Pods.GroupKind(), o.Name, errs)
		}
	case *corev1.Namespace:
		o.Status = corev1.NamespaceStatus{Phase: corev1.NamespaceActive}
	case *corev1.PersistentVolumeClaim:
		bindClaim(o)
	case *batchv1.Job:
		kube.SelectJob(o)
	case *corev1.Service:
		if err := n.allocate(o, nil); err != nil {
			return nil, err
		}
	}
	if err := n.enterNamespace(o, dryRun); err != nil { // last, as it may make one
		return nil, err
	}
	if pod, ok := o.(*corev1.Pod); ok {
		return o, n.createPod(pod, dryRun)
	}
	if dryRun {
		return o, nil
	}
	return o, n.registry.create(o)
}

// update changes a stored object.
func (n *Node) update(kind *kube.Kind, o, stored kube.Object, dryRun bool) (api.Outcome, kube.Object, error) {
	if service, ok := o.(*corev1.Service); ok {
		if err := n.allocate(service, stored.(*corev1.Service)); err != nil {
			return "", nil, err
		}
	}
	if kind.Equal(o, stored) {
		return api.Unchanged, stored, nil
	}
	if errs := kind.ValidateUpdate(o, stored); len(errs) > 0 {
		return "", nil, apierrors.NewInvalid(kind.GroupKind(), o.GetName(), errs)
	}
	if dryRun {
		wanted := clone(stored)
		kind.Adopt(wanted, o)
		return api.Configured, wanted, nil
	}
	changed, err := n.registry.update(kind, o.GetNamespace(), o.GetName(), func(present kube.Object) { kind.Adopt(present, o) })
	if err != nil {
		return "", nil, err
	}
	if pod, ok := changed.(*corev1.Pod); ok {
		if p := n.find(pod); p != nil {
			p.post(lifecycle.Updated{Object: pod.DeepCopy()})
		}
	}
	return api.Configured, changed, nil
}

// DeleteObject is in api.Backend.
func (n *Node) DeleteObject(_ context.Context, kind *kube.Kind, namespace, name string, o metav1.DeleteOptions) (kube.Object, error) {
	if kind != kube.Pods { // ending a Pod waits for nobody
		n.applying.Lock()
		defer n.applying.Unlock()
	}
	stored, err := n.registry.get(kind, namespace, name)
	if err != nil {
		return nil, err
	}
	if err := checkPreconditions(o.Preconditions, stored); err != nil {
		return nil, err
	}
	if len(o.DryRun) > 0 {
		return clone(stored), nil
	}
	return n.remove(stored, o)
}

// checkPreconditions refuses to delete another object, or another version of it, than the one that is meant. The words are the API server's.
func checkPreconditions(p *metav1.Preconditions, stored kube.Object) error {
	var err error
	switch {
	case p == nil:
		return nil
	case p.UID != nil && *p.UID != stored.GetUID():
		err = fmt.Errorf("the UID in the precondition (%s) does not match the UID in record (%s). The object might have been deleted and then recreated",
			*p.UID, stored.GetUID())
	case p.ResourceVersion != nil && *p.ResourceVersion != stored.GetResourceVersion():
		err = fmt.Errorf("the ResourceVersion in the precondition (%s) does not match the ResourceVersion in record (%s). The object might have been modified",
			*p.ResourceVersion, stored.GetResourceVersion())
	default:
		return nil
	}
	return apierrors.NewConflict(kube.KindOf(stored).GroupResource(), stored.GetName(), err)
}

// ListEvents is in api.Backend.
func (n *Node) ListEvents(namespace string) (*corev1.EventList, error) {
	return n.events.list(namespace), nil
}

// WatchEvents is in api.Backend.
func (n *Node) WatchEvents(ctx context.Context, namespace, resourceVersion string) <-chan watch.Event {
	return n.events.watch(ctx, namespace, version(resourceVersion))
}
