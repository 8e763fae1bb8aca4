package controller

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/rand"
)

// The annotations by which Deployments and kubectl keep count.
const (
	Revision        = "deployment.kubernetes.io/revision"
	desiredReplicas = "deployment.kubernetes.io/desired-replicas"
	maxReplicas     = "deployment.kubernetes.io/max-replicas"
	changeCause     = "kubernetes.io/change-cause"
)

// hash is a short name for a template.
func hash(template *corev1.PodTemplateSpec) string {
	h := fnv.New32a()
	_ = json.NewEncoder(h).Encode(template) // an API object always encodes
	return rand.SafeEncodeString(strconv.FormatUint(uint64(h.Sum32()), 10))
}

// rollout is one Deployment being reconciled.
type rollout struct {
	*Plan
	now      time.Time
	d        *appsv1.Deployment
	current  *appsv1.ReplicaSet   // that of the present template
	old      []*appsv1.ReplicaSet // the others, oldest first
	pods     []*corev1.Pod
	replicas int32
}

func reconcileDeployment(now time.Time, d *appsv1.Deployment, owned Owned) *Plan {
	r := &rollout{Plan: &Plan{Object: d}, now: now, d: d, pods: owned.Pods, replicas: value(d.Spec.Replicas)}
	for _, set := range owned.ReplicaSets {
		set = set.DeepCopy()
		if r.current == nil && sameTemplate(&set.Spec.Template, &d.Spec.Template) {
			r.current = set
		} else {
			r.old = append(r.old, set)
		}
	}
	slices.SortFunc(r.old, func(a, b *appsv1.ReplicaSet) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(revision(a), revision(b)))
	})
	switch {
	case d.Spec.Paused:
		r.scalePaused()
	case d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType:
		r.recreate()
	default:
		r.roll()
	}
	r.dropHistory()
	r.status()
	return r.Plan
}

// sameTemplate compares templates but for the label that names their hash.
func sameTemplate(a, b *corev1.PodTemplateSpec) bool {
	a, b = a.DeepCopy(), b.DeepCopy()
	delete(a.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	delete(b.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	return equality.Semantic.DeepEqual(a, b)
}

func revision(set *appsv1.ReplicaSet) int {
	n, _ := strconv.Atoi(set.Annotations[Revision])
	return n
}

// roll is a rolling update: as many new Pods as the surge allows, as many old ones gone as may be unavailable.
func (r *rollout) roll() {
	surge, unavailable := r.bounds()
	if r.current == nil || !r.named() {
		r.introduce(min(r.replicas, max(0, r.replicas+surge-total(r.old))))
	} else {
		n := value(r.current.Spec.Replicas)
		switch room := r.replicas + surge - total(r.old) - n; {
		case n > r.replicas:
			r.scale(r.current, r.replicas)
		case n < r.replicas && room > 0:
			r.scale(r.current, n+min(room, r.replicas-n))
		}
	}
	r.shrink(r.replicas - unavailable)
}

// shrink scales old sets down so far that at least so many Pods stay available. Old Pods that are not available go first.
func (r *rollout) shrink(least int32) {
	all, newUnavailable, available := total(r.old), int32(0), int32(0)
	if r.current != nil {
		all += value(r.current.Spec.Replicas)
		newUnavailable = max(0, value(r.current.Spec.Replicas)-r.current.Status.AvailableReplicas)
		available = r.current.Status.AvailableReplicas
	}
	room := all - least - newUnavailable
	for _, set := range r.old {
		if broken := value(set.Spec.Replicas) - set.Status.AvailableReplicas; room > 0 && broken > 0 {
			n := min(room, broken)
			room -= n
			r.scale(set, value(set.Spec.Replicas)-n)
		}
	}
	for _, set := range r.old {
		available += min(set.Status.AvailableReplicas, value(set.Spec.Replicas))
	}
	spare := min(available-least, room)
	for _, set := range r.old {
		if n := min(spare, value(set.Spec.Replicas)); n > 0 {
			spare -= n
			r.scale(set, value(set.Spec.Replicas)-n)
		}
	}
}

// recreate ends all old Pods before there are new ones.
func (r *rollout) recreate() {
	for _, set := range r.old {
		r.scale(set, 0)
	}
	for _, pod := range r.pods {
		if owner := metav1.GetControllerOf(pod); !ended(pod) && (r.current == nil || owner == nil || owner.UID != r.current.UID) {
			return
		}
	}
	if r.current == nil || !r.named() {
		r.introduce(r.replicas)
	} else {
		r.scale(r.current, r.replicas)
	}
}

// scalePaused follows a change of replicas only.
func (r *rollout) scalePaused() {
	sets := slices.Clone(r.old)
	if r.current != nil {
		sets = append(sets, r.current)
	}
	for _, set := range slices.Backward(sets) {
		if value(set.Spec.Replicas) > 0 || set == r.current {
			r.scale(set, max(0, value(set.Spec.Replicas)+r.replicas-total(sets)))
			return
		}
	}
}

// named says whether the current set has the newest revision; one that is rolled back to has not.
func (r *rollout) named() bool {
	return len(r.old) == 0 && revision(r.current) > 0 || revision(r.current) > newest(r.old)
}

func newest(sets []*appsv1.ReplicaSet) int {
	n := 0
	for _, set := range sets {
		n = max(n, revision(set))
	}
	return n
}

// introduce makes the set of the present template the newest one, with so many Pods.
func (r *rollout) introduce(replicas int32) {
	next := strconv.Itoa(newest(r.old) + 1)
	if set := r.current; set != nil {
		set.Annotations = with(set.Annotations, Revision, next)
		r.scale(set, max(replicas, value(set.Spec.Replicas)))
		r.update(set)
		return
	}
	name := hash(&r.d.Spec.Template)
	template, selector := r.d.Spec.Template.DeepCopy(), r.d.Spec.Selector.DeepCopy()
	template.Labels = with(template.Labels, appsv1.DefaultDeploymentUniqueLabelKey, name)
	selector.MatchLabels = with(selector.MatchLabels, appsv1.DefaultDeploymentUniqueLabelKey, name)
	annotations := with(r.d.Annotations, Revision, next)
	delete(annotations, corev1.LastAppliedConfigAnnotation)
	set := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Name: r.d.Name + "-" + name, Namespace: r.d.Namespace, OwnerReferences: []metav1.OwnerReference{reference(r.d)},
			Labels: maps.Clone(template.Labels), Annotations: annotations,
		},
		Spec: appsv1.ReplicaSetSpec{Replicas: &replicas, MinReadySeconds: r.d.Spec.MinReadySeconds, Selector: selector, Template: *template},
	}
	r.count(set)
	r.create(set, "")
	r.current = set
	r.condition(appsv1.DeploymentProgressing, corev1.ConditionTrue, "NewReplicaSetCreated", fmt.Sprintf("Created new replica set %q", set.Name), true)
	if replicas > 0 {
		r.emit(corev1.EventTypeNormal, "ScalingReplicaSet", "Scaled up replica set %s from 0 to %d", set.Name, replicas)
	}
}

// count notes in a set what the Deployment wants.
func (r *rollout) count(set *appsv1.ReplicaSet) {
	surge, _ := r.bounds()
	set.Annotations = with(set.Annotations, desiredReplicas, strconv.Itoa(int(r.replicas)))
	set.Annotations = with(set.Annotations, maxReplicas, strconv.Itoa(int(r.replicas+surge)))
}

func (r *rollout) scale(set *appsv1.ReplicaSet, n int32) {
	before := value(set.Spec.Replicas)
	if before == n {
		return
	}
	set.Spec.Replicas = &n
	r.count(set)
	r.update(set)
	how := "up"
	if n < before {
		how = "down"
	}
	r.emit(corev1.EventTypeNormal, "ScalingReplicaSet", "Scaled %s replica set %s from %d to %d", how, set.Name, before, n)
}

// bounds are how many Pods more than wanted there may be and how many of them may be unavailable; never neither.
func (r *rollout) bounds() (surge, unavailable int32) {
	u := r.d.Spec.Strategy.RollingUpdate
	if u == nil {
		return 0, 0
	}
	up, _ := intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(u.MaxSurge, intstr.FromInt32(0)), int(r.replicas), true)
	down, _ := intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(u.MaxUnavailable, intstr.FromInt32(0)), int(r.replicas), false)
	if up == 0 && down == 0 {
		down = 1
	}
	return int32(up), min(int32(down), r.replicas)
}

func total(sets []*appsv1.ReplicaSet) (n int32) {
	for _, set := range sets {
		n += value(set.Spec.Replicas)
	}
	return n
}

// dropHistory deletes old sets without Pods beyond the limit, the oldest first.
func (r *rollout) dropHistory() {
	if r.d.Spec.RevisionHistoryLimit == nil {
		return
	}
	extra := len(r.old) - int(*r.d.Spec.RevisionHistoryLimit)
	sets := slices.SortedFunc(slices.Values(r.old), func(a, b *appsv1.ReplicaSet) int { return cmp.Compare(revision(a), revision(b)) })
	for _, set := range sets[:max(0, extra)] {
		if value(set.Spec.Replicas) == 0 && set.Status.Replicas == 0 {
			r.delete(set, "")
		}
	}
}

// status tells how things stand before the actions are done.
func (r *rollout) status() {
	s := &r.d.Status
	before := *s
	s.ObservedGeneration = r.d.Generation
	s.Replicas, s.ReadyReplicas, s.AvailableReplicas, s.UpdatedReplicas = 0, 0, 0, 0
	for _, set := range append(slices.Clone(r.old), r.current) {
		if set == nil {
			continue
		}
		s.Replicas += set.Status.Replicas
		s.ReadyReplicas += set.Status.ReadyReplicas
		s.AvailableReplicas += set.Status.AvailableReplicas
	}
	if r.current != nil {
		s.UpdatedReplicas = r.current.Status.Replicas
		if r.current.Annotations[Revision] != "" && r.d.Annotations[Revision] != r.current.Annotations[Revision] {
			r.d.Annotations = with(r.d.Annotations, Revision, r.current.Annotations[Revision])
			r.update(r.d.DeepCopy())
		}
	}
	s.UnavailableReplicas = max(0, max(r.replicas, s.Replicas)-s.AvailableReplicas)
	_, unavailable := r.bounds()
	if s.AvailableReplicas >= r.replicas-unavailable {
		r.condition(appsv1.DeploymentAvailable, corev1.ConditionTrue, "MinimumReplicasAvailable", "Deployment has minimum availability.", false)
	} else {
		r.condition(appsv1.DeploymentAvailable, corev1.ConditionFalse, "MinimumReplicasUnavailable", "Deployment does not have minimum availability.", false)
	}
	r.progress(&before)
}

// progress keeps the condition Progressing.
func (r *rollout) progress(before *appsv1.DeploymentStatus) {
	s := &r.d.Status
	if r.current == nil || r.d.Spec.Paused {
		return
	}
	var present *appsv1.DeploymentCondition
	for i := range s.Conditions {
		if s.Conditions[i].Type == appsv1.DeploymentProgressing {
			present = &s.Conditions[i]
		}
	}
	complete := s.UpdatedReplicas == r.replicas && s.Replicas == r.replicas && s.AvailableReplicas == r.replicas
	progressed := s.UpdatedReplicas > before.UpdatedReplicas || s.Replicas-s.UpdatedReplicas < before.Replicas-before.UpdatedReplicas ||
		s.ReadyReplicas > before.ReadyReplicas || s.AvailableReplicas > before.AvailableReplicas
	const done = "NewReplicaSetAvailable"
	set := func(status corev1.ConditionStatus, reason, format string, touch bool) {
		r.condition(appsv1.DeploymentProgressing, status, reason, fmt.Sprintf(format, r.current.Name), touch)
	}
	switch {
	case complete:
		set(corev1.ConditionTrue, done, "ReplicaSet %q has successfully progressed.", false)
	case present != nil && present.Reason == done && s.Replicas == s.UpdatedReplicas:
	case progressed || present == nil:
		set(corev1.ConditionTrue, "ReplicaSetUpdated", "ReplicaSet %q is progressing.", true)
	default:
		due := present.LastUpdateTime.Add(time.Duration(value(r.d.Spec.ProgressDeadlineSeconds)) * time.Second)
		if r.d.Spec.ProgressDeadlineSeconds == nil || present.Status == corev1.ConditionFalse {
			return
		}
		if due.After(r.now) {
			r.wake(due)
			return
		}
		set(corev1.ConditionFalse, "ProgressDeadlineExceeded", "ReplicaSet %q has timed out progressing.", true)
	}
}

// condition sets a condition; touch notes the time even if nothing else changes.
func (r *rollout) condition(kind appsv1.DeploymentConditionType, status corev1.ConditionStatus, reason, message string, touch bool) {
	now := metav1.NewTime(r.now)
	next := appsv1.DeploymentCondition{Type: kind, Status: status, Reason: reason, Message: message, LastUpdateTime: now, LastTransitionTime: now}
	for i, c := range r.d.Status.Conditions {
		if c.Type != kind {
			continue
		}
		if c.Status == status {
			next.LastTransitionTime = c.LastTransitionTime
			if c.Reason == reason && c.Message == message && !touch {
				next.LastUpdateTime = c.LastUpdateTime
			}
		}
		r.d.Status.Conditions[i] = next
		return
	}
	r.d.Status.Conditions = append(r.d.Status.Conditions, next)
}
