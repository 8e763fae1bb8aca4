package controller

import (
	"slices"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// reconcileDaemonSet keeps one Pod on the one node.
func reconcileDaemonSet(now time.Time, d *appsv1.DaemonSet, pods []*corev1.Pod) *Plan {
	plan := &Plan{Object: d}
	name, generation := hash(&d.Spec.Template), strconv.FormatInt(d.Generation, 10)
	running := slices.DeleteFunc(slices.Clone(pods), func(p *corev1.Pod) bool { return !active(p) })
	for _, pod := range pods {
		if ended(pod) && pod.DeletionTimestamp == nil {
			plan.emit(corev1.EventTypeWarning, "FailedDaemonPod", "Found failed daemon pod %s/%s on node %s, will try to kill it",
				pod.Namespace, pod.Name, pod.Spec.NodeName)
			plan.delete(pod, deletedPod)
		}
	}
	s := &d.Status
	*s = appsv1.DaemonSetStatus{ObservedGeneration: d.Generation, DesiredNumberScheduled: 1, NumberUnavailable: 1}
	if len(running) == 0 {
		// Never two at a time: the old one may hold ports.
		if slices.ContainsFunc(pods, func(p *corev1.Pod) bool { return p.DeletionTimestamp != nil }) {
			return plan
		}
		pod := podFrom(d, &d.Spec.Template)
		pod.Labels[appsv1.ControllerRevisionHashLabelKey], pod.Labels["pod-template-generation"] = name, generation
		plan.create(pod, createdPod)
		return plan
	}
	for _, pod := range dispensable(running)[:len(running)-1] {
		plan.delete(pod, deletedPod)
	}
	pod := dispensable(running)[len(running)-1]
	updated := pod.Labels[appsv1.ControllerRevisionHashLabelKey] == name
	s.CurrentNumberScheduled = 1
	count(&s.UpdatedNumberScheduled, updated)
	count(&s.NumberReady, ready(pod))
	if plan.available(pod, d.Spec.MinReadySeconds, now) {
		s.NumberAvailable, s.NumberUnavailable = 1, 0
	}
	if !updated && d.Spec.UpdateStrategy.Type == appsv1.RollingUpdateDaemonSetStrategyType {
		plan.delete(pod, deletedPod)
	}
	return plan
}
