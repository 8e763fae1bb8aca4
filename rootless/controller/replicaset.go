package controller

import (
	"cmp"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/peapod/peapod/rootless/kube"
)

func reconcileReplicaSet(now time.Time, r *appsv1.ReplicaSet, pods []*corev1.Pod) *Plan {
	return keepReplicas(now, r, r, pods)
}

// reconcileReplicationController does for the older kind what is done for a ReplicaSet of the same words.
func reconcileReplicationController(now time.Time, r *corev1.ReplicationController, pods []*corev1.Pod) *Plan {
	set := &appsv1.ReplicaSet{ObjectMeta: r.ObjectMeta, Spec: appsv1.ReplicaSetSpec{Replicas: r.Spec.Replicas, MinReadySeconds: r.Spec.MinReadySeconds, Template: *r.Spec.Template}}
	plan := keepReplicas(now, r, set, pods)
	r.Status.Replicas, r.Status.FullyLabeledReplicas, r.Status.ReadyReplicas = set.Status.Replicas, set.Status.FullyLabeledReplicas, set.Status.ReadyReplicas
	r.Status.AvailableReplicas, r.Status.ObservedGeneration = set.Status.AvailableReplicas, set.Status.ObservedGeneration
	return plan
}

// keepReplicas plans for an owner what r says, and puts the status into r.
func keepReplicas(now time.Time, owner kube.Object, r *appsv1.ReplicaSet, pods []*corev1.Pod) *Plan {
	plan := &Plan{Object: owner}
	pods = slices.DeleteFunc(slices.Clone(pods), func(p *corev1.Pod) bool { return !active(p) })
	missing := int(value(r.Spec.Replicas)) - len(pods)
	for range missing {
		plan.create(podFrom(owner, &r.Spec.Template), createdPod)
	}
	if missing < 0 {
		for _, pod := range dispensable(pods)[:-missing] {
			plan.delete(pod, deletedPod)
		}
	}
	r.Status.ObservedGeneration = r.Generation
	r.Status.Replicas = int32(len(pods))
	r.Status.FullyLabeledReplicas, r.Status.ReadyReplicas, r.Status.AvailableReplicas = 0, 0, 0
	template := labels.SelectorFromSet(r.Spec.Template.Labels)
	for _, pod := range pods {
		count(&r.Status.FullyLabeledReplicas, template.Matches(labels.Set(pod.Labels)))
		count(&r.Status.ReadyReplicas, ready(pod))
		count(&r.Status.AvailableReplicas, plan.available(pod, r.Spec.MinReadySeconds, now))
	}
	return plan
}

func count(n *int32, one bool) {
	if one {
		*n++
	}
}

// dispensable sorts Pods, those first that are missed least: pending before running, not ready before ready, young before old.
func dispensable(pods []*corev1.Pod) []*corev1.Pod {
	pods = slices.Clone(pods)
	slices.SortStableFunc(pods, func(a, b *corev1.Pod) int {
		return cmp.Or(
			compareBool(a.Status.Phase == corev1.PodRunning, b.Status.Phase == corev1.PodRunning),
			compareBool(ready(a), ready(b)),
			b.CreationTimestamp.Compare(a.CreationTimestamp.Time),
			cmp.Compare(b.Name, a.Name),
		)
	})
	return pods
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
