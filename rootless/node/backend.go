package node

import (
	"context"
	"errors"
	"os/user"
	"strconv"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/peapod/peapod/rootless/api"
	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/lifecycle"
	"github.com/peapod/peapod/rootless/userns"
)

var _ api.Backend = (*Node)(nil)

// GetPod is in api.Backend.
func (n *Node) GetPod(namespace, name string) (*corev1.Pod, error) {
	object, err := n.registry.get(namespace, name)
	if err != nil {
		return nil, err
	}
	return object.DeepCopy(), nil
}

// ListPods is in api.Backend.
func (n *Node) ListPods(namespace string) (*corev1.PodList, error) {
	objects, version := n.registry.list(namespace)
	list := &corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: version}, Items: make([]corev1.Pod, 0, len(objects))}
	for _, object := range objects {
		list.Items = append(list.Items, *object.DeepCopy())
	}
	return list, nil
}

// WatchPods is in api.Backend.
func (n *Node) WatchPods(ctx context.Context, namespace, resourceVersion string) (<-chan watch.Event, error) {
	if after := version(resourceVersion); after != 0 {
		return n.registry.watch(ctx, namespace, after)
	}
	objects, now := n.registry.list(namespace)
	changes, err := n.registry.watch(ctx, namespace, version(now))
	if err != nil {
		return nil, err
	}
	out := make(chan watch.Event)
	go func() {
		defer close(out)
		for _, object := range objects {
			if !send(ctx, out, watch.Event{Type: watch.Added, Object: object.DeepCopy()}) {
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

var podKind = schema.GroupKind{Kind: "Pod"}

// features are what this machine gives.
func (n *Node) features() kube.Features { return kube.Features{Cgroups: n.cgroups != nil} }

// ApplyPod is in api.Backend.
func (n *Node) ApplyPod(_ context.Context, object *corev1.Pod, o api.ApplyOptions) (*api.ApplyResult, error) {
	object = object.DeepCopy()
	object.Status = corev1.PodStatus{}
	kube.Default(object)
	if errs := kube.Validate(object, n.features()); len(errs) > 0 {
		return nil, apierrors.NewInvalid(podKind, object.Name, errs)
	}
	result := &api.ApplyResult{Warnings: kube.WithoutEffect(object, n.features())}
	n.applying.Lock()
	defer n.applying.Unlock()
	stored, err := n.registry.get(object.Namespace, object.Name)
	switch {
	case apierrors.IsNotFound(err):
		result.Outcome = api.Created
		result.Pod, err = n.create(object, o.DryRun)
	case err == nil:
		result.Outcome, result.Pod, err = n.update(object, stored, o.DryRun)
	}
	if err != nil {
		return nil, err
	}
	result.Pod = result.Pod.DeepCopy()
	return result, nil
}

// singleID says why a node with one id runs no Pods, and what to do about it.
func (n *Node) singleID() error {
	u, err := user.LookupId(strconv.Itoa(n.maps.UIDs[0].HostID))
	if err == nil {
		_, err = userns.Ranges(u)
	}
	if err == nil {
		err = errors.New("the node began before you had subordinate ids; the next one will see them: peapod node stop")
	}
	return err
}

// create stores a new Pod and starts its loop.
func (n *Node) create(object *corev1.Pod, dryRun bool) (*corev1.Pod, error) {
	if n.maps.Single() {
		return nil, apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, object.Name, n.singleID())
	}
	object.UID = types.UID(uuid.NewString())
	object.CreationTimestamp = metav1.NewTime(time.Now().Truncate(time.Second))
	object.Generation = 1
	object.DeletionTimestamp, object.DeletionGracePeriodSeconds = nil, nil
	object.ResourceVersion = ""
	object.Spec.NodeName = n.name
	object.Status = corev1.PodStatus{Phase: corev1.PodPending, QOSClass: kube.QOS(object)}
	if dryRun {
		return object, nil
	}
	if err := n.prepareFiles(object); err != nil {
		return nil, err
	}
	if err := n.registry.create(object); err != nil {
		return nil, err
	}
	p := n.newPod(object, lifecycle.New(object.DeepCopy(), time.Now()))
	p.post(lifecycle.Added{})
	n.run(p)
	return object, nil
}

// update changes a stored Pod.
func (n *Node) update(object, stored *corev1.Pod, dryRun bool) (api.Outcome, *corev1.Pod, error) {
	if kube.Equal(object, stored) {
		return api.Unchanged, stored, nil
	}
	if errs := kube.ValidateUpdate(object, stored); len(errs) > 0 {
		return "", nil, apierrors.NewInvalid(podKind, object.Name, errs)
	}
	if dryRun {
		return api.Configured, object, nil
	}
	changed, err := n.registry.update(object.Namespace, object.Name, func(pod *corev1.Pod) {
		pod.Labels, pod.Annotations = object.Labels, object.Annotations
		spec := object.Spec.DeepCopy()
		spec.NodeName = pod.Spec.NodeName
		pod.Spec = *spec
		pod.Generation++
	})
	if err != nil {
		return "", nil, err
	}
	if p := n.find(changed); p != nil {
		p.post(lifecycle.Updated{Object: changed.DeepCopy()})
	}
	return api.Configured, changed, nil
}

// DeletePod is in api.Backend.
func (n *Node) DeletePod(_ context.Context, namespace, name string, o metav1.DeleteOptions) (*corev1.Pod, error) {
	stored, err := n.registry.get(namespace, name)
	if err != nil {
		return nil, err
	}
	if o.Preconditions != nil && o.Preconditions.UID != nil && *o.Preconditions.UID != stored.UID {
		return nil, apierrors.NewConflict(corev1.Resource("pods"), name, errors.New("the UID in the precondition is not that of the stored object"))
	}
	grace := int64(corev1.DefaultTerminationGracePeriodSeconds)
	if s := stored.Spec.TerminationGracePeriodSeconds; s != nil {
		grace = *s
	}
	if o.GracePeriodSeconds != nil {
		grace = max(*o.GracePeriodSeconds, 0)
	}
	if len(o.DryRun) > 0 {
		return stored.DeepCopy(), nil
	}
	deleted, err := n.registry.update(namespace, name, func(pod *corev1.Pod) {
		if old := pod.DeletionGracePeriodSeconds; old != nil && *old <= grace {
			return // a second deletion can only shorten the time
		}
		end := metav1.NewTime(time.Now().Add(time.Duration(grace) * time.Second).Truncate(time.Second))
		pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = &end, &grace
	})
	if err != nil {
		return nil, err
	}
	if p := n.find(deleted); p != nil {
		p.post(deletion(deleted))
	}
	return deleted.DeepCopy(), nil
}

// deletion is the event that a stored Pod's deletion timestamp stands for.
func deletion(object *corev1.Pod) lifecycle.Event {
	var grace int64
	if s := object.DeletionGracePeriodSeconds; s != nil {
		grace = *s
	}
	return lifecycle.DeleteRequested{Grace: grace, At: object.DeletionTimestamp.Add(-time.Duration(grace) * time.Second)}
}

// ListEvents is in api.Backend.
func (n *Node) ListEvents(namespace string) (*corev1.EventList, error) {
	return n.events.list(namespace), nil
}
