package apitest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/peapod/peapod/rootless/api"
	"github.com/peapod/peapod/rootless/kube"
)

type change struct {
	version int
	kind    *kube.Kind
	event   watch.Event
}

func key(kind *kube.Kind, namespace, name string) string {
	return kind.Resource + "/" + namespace + "/" + name
}

func keyOf(o kube.Object) string { return key(kube.KindOf(o), o.GetNamespace(), o.GetName()) }

func clone[T kube.Object](o T) T { return o.DeepCopyObject().(T) }

// Put stores an object as it is, with a new resourceVersion.
func (b *Backend) Put(o kube.Object) {
	b.mu.Lock()
	defer b.mu.Unlock()
	event := watch.Modified
	if b.objects[keyOf(o)] == nil {
		event = watch.Added
	}
	b.store(event, clone(o))
}

// Remove ends a Pod.
func (b *Backend) Remove(namespace, name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if pod := b.objects[key(kube.Pods, namespace, name)]; pod != nil {
		b.store(watch.Deleted, clone(pod))
	}
}

// Preconditions: b.mu is held, o is the caller's own.
func (b *Backend) store(event watch.EventType, o kube.Object) {
	b.version++
	o.SetResourceVersion(strconv.Itoa(b.version))
	if event == watch.Deleted {
		delete(b.objects, keyOf(o))
	} else {
		b.objects[keyOf(o)] = o
	}
	b.history = append(b.history, change{b.version, kube.KindOf(o), watch.Event{Type: event, Object: o}})
	close(b.changed)
	b.changed = make(chan struct{})
}

// find returns the stored object itself. Preconditions: b.mu is held.
func (b *Backend) find(kind *kube.Kind, namespace, name string) (kube.Object, error) {
	if o := b.objects[key(kind, namespace, name)]; o != nil {
		return o, nil
	}
	return nil, apierrors.NewNotFound(kind.GroupResource(), name)
}

// GetObject is api.Backend's.
func (b *Backend) GetObject(kind *kube.Kind, namespace, name string) (kube.Object, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, err := b.find(kind, namespace, name)
	if err != nil {
		return nil, err
	}
	return clone(o), nil
}

// ListObjects is api.Backend's.
func (b *Backend) ListObjects(kind *kube.Kind, namespace string) (*api.ObjectList, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := &api.ObjectList{ResourceVersion: strconv.Itoa(b.version)}
	for _, o := range b.objects {
		if kube.KindOf(o) == kind && (namespace == "" || o.GetNamespace() == namespace) {
			list.Items = append(list.Items, clone(o))
		}
	}
	slices.SortFunc(list.Items, func(x, y kube.Object) int { return strings.Compare(keyOf(x), keyOf(y)) })
	return list, nil
}

// WatchObjects is api.Backend's. A version that is no number has been forgotten: 410 Gone.
func (b *Backend) WatchObjects(ctx context.Context, kind *kube.Kind, namespace, resourceVersion string) (<-chan watch.Event, error) {
	after, err := strconv.Atoi(resourceVersion)
	if err != nil && resourceVersion != "" {
		return nil, apierrors.NewResourceExpired("too old resource version: " + resourceVersion)
	}
	events := make(chan watch.Event)
	go func() {
		defer close(events)
		for {
			for _, event := range b.after(&after, kind, namespace) {
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

func (b *Backend) after(version *int, kind *kube.Kind, namespace string) []watch.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	var events []watch.Event
	for _, c := range b.history {
		o := c.event.Object.(kube.Object)
		if c.version > *version && c.kind == kind && (namespace == "" || o.GetNamespace() == namespace) {
			events = append(events, watch.Event{Type: c.event.Type, Object: clone(o)})
		}
	}
	*version = b.version
	return events
}

// ApplyObject is api.Backend's. A new Pod is running at once; other kinds are checked as by the node.
func (b *Backend) ApplyObject(_ context.Context, o kube.Object, options api.ApplyOptions) (*api.ApplyResult, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	kind, next := kube.KindOf(o), clone(o)
	if kind != kube.Pods {
		kind.Default(next)
		if errs := kind.Validate(next, kube.Features{}); len(errs) > 0 {
			return nil, apierrors.NewInvalid(kind.GroupKind(), next.GetName(), errs)
		}
	}
	outcome := api.Created
	if old, err := b.find(kind, next.GetNamespace(), next.GetName()); err != nil {
		next.SetUID(types.UID("uid-" + strconv.Itoa(b.version)))
		next.SetCreationTimestamp(metav1.NewTime(b.Now()))
		if pod, ok := next.(*corev1.Pod); ok {
			pod.Status = running(pod, b.Now())
		}
	} else if outcome, next, err = adopt(kind, next, old); err != nil {
		return nil, err
	}
	if !options.DryRun && outcome != api.Unchanged {
		b.store(map[api.Outcome]watch.EventType{api.Created: watch.Added, api.Configured: watch.Modified}[outcome], next)
	}
	return &api.ApplyResult{Object: clone(next), Outcome: outcome, Warnings: slices.Clone(b.Warnings)}, nil
}

// ChangeObject is api.Backend's. It knows conflicts, and no other rules for Pods.
func (b *Backend) ChangeObject(
	_ context.Context, kind *kube.Kind, namespace, name string, change func(kube.Object) (kube.Object, error), options api.ApplyOptions,
) (*api.ApplyResult, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	stored, err := b.find(kind, namespace, name)
	if err != nil {
		return nil, err
	}
	wanted, err := change(clone(stored))
	if err != nil {
		return nil, err
	}
	if v := wanted.GetResourceVersion(); v != "" && v != stored.GetResourceVersion() {
		return nil, apierrors.NewConflict(kind.GroupResource(), name, errors.New("the object has been modified"))
	}
	wanted.SetCreationTimestamp(stored.GetCreationTimestamp()) // JSON has none of less than a second
	outcome, next, err := adopt(kind, wanted, stored)
	if err != nil {
		return nil, err
	}
	if !options.DryRun && outcome != api.Unchanged {
		b.store(watch.Modified, next)
	}
	return &api.ApplyResult{Object: clone(next), Outcome: outcome, Warnings: slices.Clone(b.Warnings)}, nil
}

// ChangePart is api.Backend's.
func (b *Backend) ChangePart(_ context.Context, part *kube.Part, namespace, name string, change func(*corev1.Pod) (*corev1.Pod, error), dryRun bool) (*api.ApplyResult, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, err := b.find(kube.Pods, namespace, name)
	if err != nil {
		return nil, err
	}
	wanted := clone(o.(*corev1.Pod))
	asked, err := change(clone(wanted))
	if err != nil {
		return nil, err
	}
	part.Take(wanted, asked)
	kube.Default(wanted)
	if errs := part.Validate(wanted, o.(*corev1.Pod), kube.Features{}); len(errs) > 0 {
		return nil, apierrors.NewInvalid(kube.Pods.GroupKind(), name, errs)
	}
	if !dryRun {
		b.store(watch.Modified, wanted)
	}
	return &api.ApplyResult{Object: clone(wanted), Outcome: api.Configured, Warnings: slices.Clone(b.Warnings)}, nil
}

// adopt returns what becomes of the old object.
func adopt(kind *kube.Kind, applied, old kube.Object) (api.Outcome, kube.Object, error) {
	next := clone(old)
	if kind.Equal(applied, old) {
		return api.Unchanged, next, nil
	}
	if kind != kube.Pods {
		if errs := kind.ValidateUpdate(applied, old); len(errs) > 0 {
			return "", nil, apierrors.NewInvalid(kind.GroupKind(), old.GetName(), errs)
		}
	}
	kind.Adopt(next, applied)
	return api.Configured, next, nil
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

// DeleteObject is api.Backend's. A grace period of 0 removes a Pod even with Linger.
func (b *Backend) DeleteObject(_ context.Context, kind *kube.Kind, namespace, name string, options metav1.DeleteOptions) (kube.Object, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old, err := b.find(kind, namespace, name)
	if err != nil {
		return nil, err
	}
	b.Deletions = append(b.Deletions, options)
	o := clone(old)
	if len(options.DryRun) > 0 {
		return o, nil
	}
	if kind == kube.Pods {
		now := metav1.NewTime(b.Now())
		o.SetDeletionTimestamp(&now)
		o.SetDeletionGracePeriodSeconds(options.GracePeriodSeconds)
		b.store(watch.Modified, o)
	}
	if kind != kube.Pods || !b.Linger || (options.GracePeriodSeconds != nil && *options.GracePeriodSeconds == 0) {
		b.store(watch.Deleted, clone(o))
	}
	return clone(o), nil
}
