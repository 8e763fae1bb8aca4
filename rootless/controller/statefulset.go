package controller

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// stateful is one StatefulSet being reconciled.
type stateful struct {
	*Plan
	now       time.Time
	s         *appsv1.StatefulSet
	claims    map[string]bool
	revision  string
	pods      map[int]*corev1.Pod // by ordinal
	condemned []*corev1.Pod       // outside the range, the highest first
}

func reconcileStatefulSet(now time.Time, s *appsv1.StatefulSet, owned Owned) *Plan {
	r := &stateful{Plan: &Plan{Object: s}, now: now, s: s, claims: owned.Claims, revision: s.Name + "-" + hash(&s.Spec.Template), pods: map[int]*corev1.Pod{}}
	for _, pod := range owned.Pods {
		if n := r.ordinal(pod); n >= r.first() && n < r.end() {
			r.pods[n] = pod
		} else {
			r.condemned = append(r.condemned, pod)
		}
	}
	slices.SortFunc(r.condemned, func(a, b *corev1.Pod) int { return cmp.Compare(r.ordinal(b), r.ordinal(a)) })
	r.act()
	r.status(owned.Pods)
	return r.Plan
}

func (r *stateful) first() int {
	if o := r.s.Spec.Ordinals; o != nil {
		return int(o.Start)
	}
	return 0
}

func (r *stateful) end() int { return r.first() + int(value(r.s.Spec.Replicas)) }

// ordinal is the number at the end of a Pod's name; -1 if there is none.
func (r *stateful) ordinal(pod *corev1.Pod) int {
	n, err := strconv.Atoi(strings.TrimPrefix(pod.Name, r.s.Name+"-"))
	if err != nil {
		return -1
	}
	return n
}

func (r *stateful) healthy(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodRunning && pod.DeletionTimestamp == nil && r.available(pod, r.s.Spec.MinReadySeconds, r.now)
}

// act goes up through the ordinals, then down through what is too many, then down through what is of an old template. In order, it stops at the first that is not well.
func (r *stateful) act() {
	inOrder := r.s.Spec.PodManagementPolicy != appsv1.ParallelPodManagement
	for n := r.first(); n < r.end(); n++ {
		pod := r.pods[n]
		switch {
		case pod == nil:
			r.make(n)
		case ended(pod) && pod.DeletionTimestamp == nil:
			r.emit(corev1.EventTypeWarning, "RecreatingFailedPod", "StatefulSet %s/%s is recreating failed Pod %s", r.s.Namespace, r.s.Name, pod.Name)
			r.remove(pod)
		case r.healthy(pod):
			continue
		}
		if inOrder {
			return
		}
	}
	for _, pod := range r.condemned {
		if pod.DeletionTimestamp == nil {
			r.remove(pod)
		}
		if inOrder {
			return
		}
	}
	r.replaceOld()
}

// replaceOld deletes the highest Pod of another template, if those above it are well.
func (r *stateful) replaceOld() {
	strategy := &r.s.Spec.UpdateStrategy
	if strategy.Type != appsv1.RollingUpdateStatefulSetStrategyType {
		return
	}
	partition := 0
	if strategy.RollingUpdate != nil {
		partition = int(value(strategy.RollingUpdate.Partition))
	}
	for n := r.end() - 1; n >= max(r.first(), partition); n-- {
		pod := r.pods[n]
		switch {
		case pod == nil:
			return
		case pod.Labels[appsv1.ControllerRevisionHashLabelKey] != r.revision && pod.DeletionTimestamp == nil:
			r.remove(pod)
			return
		case !r.healthy(pod):
			return
		}
	}
}

func (r *stateful) remove(pod *corev1.Pod) {
	r.delete(pod, "delete Pod %s in StatefulSet "+r.s.Name+" successful")
}

// make creates a Pod and the claims that it has not yet.
func (r *stateful) make(n int) {
	pod := podFrom(r.s, &r.s.Spec.Template)
	pod.Name, pod.GenerateName = r.s.Name+"-"+strconv.Itoa(n), ""
	pod.Labels[appsv1.StatefulSetPodNameLabel] = pod.Name
	pod.Labels[appsv1.PodIndexLabel] = strconv.Itoa(n)
	pod.Labels[appsv1.ControllerRevisionHashLabelKey] = r.revision
	pod.Spec.Hostname, pod.Spec.Subdomain = pod.Name, r.s.Spec.ServiceName
	for i := range r.s.Spec.VolumeClaimTemplates {
		template := &r.s.Spec.VolumeClaimTemplates[i]
		claim := template.DeepCopy()
		claim.Name, claim.Namespace = template.Name+"-"+pod.Name, r.s.Namespace
		if r.s.Spec.Selector != nil {
			if claim.Labels == nil {
				claim.Labels = map[string]string{}
			}
			for key, value := range r.s.Spec.Selector.MatchLabels {
				claim.Labels[key] = value
			}
		}
		if p := r.s.Spec.PersistentVolumeClaimRetentionPolicy; p != nil && p.WhenDeleted == appsv1.DeletePersistentVolumeClaimRetentionPolicyType {
			owner := reference(r.s)
			owner.Controller, owner.BlockOwnerDeletion = nil, nil
			claim.OwnerReferences = []metav1.OwnerReference{owner}
		}
		if !r.claims[claim.Name] {
			r.create(claim, "create Claim %s Pod "+pod.Name+" in StatefulSet "+r.s.Name+" success")
		}
		pod.Spec.Volumes = slices.DeleteFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == template.Name })
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: template.Name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name},
		}})
	}
	r.create(pod, "create Pod %s in StatefulSet "+r.s.Name+" successful")
}

func (r *stateful) status(pods []*corev1.Pod) {
	s := &r.s.Status
	current := s.CurrentRevision
	*s = appsv1.StatefulSetStatus{ObservedGeneration: r.s.Generation, UpdateRevision: r.revision, CollisionCount: new(int32)}
	if current == "" {
		current = r.revision
	}
	for _, pod := range pods {
		if ended(pod) {
			continue
		}
		of := pod.Labels[appsv1.ControllerRevisionHashLabelKey]
		count(&s.Replicas, true)
		count(&s.ReadyReplicas, pod.Status.Phase == corev1.PodRunning && ready(pod))
		count(&s.AvailableReplicas, r.healthy(pod))
		count(&s.UpdatedReplicas, of == r.revision && pod.DeletionTimestamp == nil)
		count(&s.CurrentReplicas, of == current && pod.DeletionTimestamp == nil)
	}
	if s.UpdatedReplicas == s.Replicas && s.ReadyReplicas == s.Replicas { // the update is complete
		current, s.CurrentReplicas = r.revision, s.UpdatedReplicas
	}
	s.CurrentRevision = current
}
