package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/duration"
)

// What `kubectl describe` prints of workloads, in its order and layout.

// value is what a pointer points to.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// identify is Name to Annotations, as most descriptions have them.
func (p *page) identify(o metav1.Object, between func()) {
	p.line(0, "Name:\t%s", o.GetName())
	p.line(0, "Namespace:\t%s", o.GetNamespace())
	between()
	p.pairs("Labels", o.GetLabels(), "=")
	p.annotations(o.GetAnnotations())
	if owner := metav1.GetControllerOf(o); owner != nil {
		p.line(0, "Controlled By:\t%s/%s", owner.Kind, owner.Name)
	}
}

func (p *page) selector(s *metav1.LabelSelector) {
	p.line(0, "Selector:\t%s", strings.ReplaceAll(metav1.FormatLabelSelector(s), ", ", ","))
}

func (p *page) created(o metav1.Object) {
	p.line(0, "CreationTimestamp:\t%s", stamp(o.GetCreationTimestamp()))
}

// template tells of the Pods to be made.
func (p *page) template(t *corev1.PodTemplateSpec) {
	p.line(0, "Pod Template:")
	p.inset = "  "
	p.pairs("Labels", t.Labels, "=")
	if len(t.Annotations) > 0 {
		p.annotations(t.Annotations)
	}
	if t.Spec.ServiceAccountName != "" {
		p.line(1, "Service Account:\t%s", t.Spec.ServiceAccountName)
	}
	p.containers("Init Containers", t.Spec.InitContainers, nil)
	p.containers("Containers", t.Spec.Containers, nil)
	p.volumes(t.Spec.Volumes)
	if t.Spec.PriorityClassName != "" {
		p.line(1, "Priority Class Name:\t%s", t.Spec.PriorityClassName)
	}
	p.pairs("Node-Selectors", t.Spec.NodeSelector, "=")
	p.tolerations(t.Spec.Tolerations)
	p.inset = ""
}

// podsStatus counts Pods by phase.
func (p *page) podsStatus(pods []corev1.Pod) {
	n := map[corev1.PodPhase]int{}
	for i := range pods {
		n[pods[i].Status.Phase]++
	}
	p.line(0, "Pods Status:\t%d Running / %d Waiting / %d Succeeded / %d Failed", n[corev1.PodRunning], n[corev1.PodPending], n[corev1.PodSucceeded], n[corev1.PodFailed])
}

// end is the events.
func (p *page) end(around *surroundings) error {
	if len(around.events) > 0 {
		if err := p.w.Flush(); err != nil {
			return err
		}
	}
	p.events(around.events)
	return p.w.Flush()
}

func describeDeployment(w io.Writer, d *appsv1.Deployment, around *surroundings) error {
	p, s := newPage(w), &d.Status
	p.identify(d, func() { p.created(d) })
	p.selector(d.Spec.Selector)
	p.line(0, "Replicas:\t%d desired | %d updated | %d total | %d available | %d unavailable",
		value(d.Spec.Replicas), s.UpdatedReplicas, s.Replicas, s.AvailableReplicas, s.UnavailableReplicas)
	p.line(0, "StrategyType:\t%s", d.Spec.Strategy.Type)
	p.line(0, "MinReadySeconds:\t%d", d.Spec.MinReadySeconds)
	if r := d.Spec.Strategy.RollingUpdate; r != nil {
		p.line(0, "RollingUpdateStrategy:\t%s max unavailable, %s max surge", r.MaxUnavailable.String(), r.MaxSurge.String())
	}
	p.template(&d.Spec.Template)
	if len(s.Conditions) > 0 {
		p.line(0, "Conditions:\n  Type\tStatus\tReason")
		p.line(1, "----\t------\t------")
		for _, c := range s.Conditions {
			p.line(1, "%s \t%s\t%s", c.Type, c.Status, c.Reason)
		}
	}
	p.replicaSets(d, around.sets)
	return p.end(around)
}

// replicaSets tells the present one, which has the Deployment's revision, from those before that still have, or are to have, Pods.
func (p *page) replicaSets(d *appsv1.Deployment, sets []appsv1.ReplicaSet) {
	slices.SortFunc(sets, func(a, b appsv1.ReplicaSet) int { // oldest first
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	var before, now []string
	for i := range sets {
		r := &sets[i]
		text := fmt.Sprintf("%s (%d/%d replicas created)", r.Name, r.Status.Replicas, value(r.Spec.Replicas))
		if r.Annotations[revisionAnnotation] == d.Annotations[revisionAnnotation] {
			now = append(now, text)
		} else {
			before = append(before, text)
		}
	}
	for _, line := range []struct {
		title string
		texts []string
	}{{"OldReplicaSets", before}, {"NewReplicaSet", now}} {
		text := strings.Join(line.texts, ", ")
		if text == "" {
			text = "<none>"
		}
		if len(sets) > 0 {
			p.line(0, "%s:\t%s", line.title, text)
		}
	}
}

func describeReplicaSet(w io.Writer, r *appsv1.ReplicaSet, around *surroundings) error {
	p := newPage(w)
	p.identify(r, func() { p.selector(r.Spec.Selector) })
	p.line(0, "Replicas:\t%d current / %d desired", r.Status.Replicas, value(r.Spec.Replicas))
	p.podsStatus(around.pods)
	p.template(&r.Spec.Template)
	return p.end(around)
}

func describeStatefulSet(w io.Writer, s *appsv1.StatefulSet, around *surroundings) error {
	p := newPage(w)
	p.identify(s, func() { p.created(s); p.selector(s.Spec.Selector) })
	p.line(0, "Replicas:\t%d desired | %d total", value(s.Spec.Replicas), s.Status.Replicas)
	p.line(0, "Update Strategy:\t%s", s.Spec.UpdateStrategy.Type)
	if r := s.Spec.UpdateStrategy.RollingUpdate; r != nil && r.Partition != nil {
		p.line(1, "Partition:\t%d", *r.Partition)
	}
	p.podsStatus(around.pods)
	p.template(&s.Spec.Template)
	return p.end(around)
}

func describeDaemonSet(w io.Writer, d *appsv1.DaemonSet, around *surroundings) error {
	p, s := newPage(w), &d.Status
	p.identify(d, func() {
		p.selector(d.Spec.Selector)
		p.line(0, "Node-Selector:\t%s", labels.FormatLabels(d.Spec.Template.Spec.NodeSelector))
	})
	p.line(0, "Desired Number of Nodes Scheduled: %d", s.DesiredNumberScheduled)
	p.line(0, "Current Number of Nodes Scheduled: %d", s.CurrentNumberScheduled)
	p.line(0, "Number of Nodes Scheduled with Up-to-date Pods: %d", s.UpdatedNumberScheduled)
	p.line(0, "Number of Nodes Scheduled with Available Pods: %d", s.NumberAvailable)
	p.line(0, "Number of Nodes Misscheduled: %d", s.NumberMisscheduled)
	p.podsStatus(around.pods)
	p.template(&d.Spec.Template)
	return p.end(around)
}

func describeJob(w io.Writer, j *batchv1.Job, around *surroundings) error {
	p, s := newPage(w), &j.Status
	p.identify(j, func() { p.selector(j.Spec.Selector) })
	number := func(title string, n *int32) {
		if n != nil {
			p.line(0, "%s:\t%d", title, *n)
		}
	}
	number("Parallelism", j.Spec.Parallelism)
	if j.Spec.Completions == nil {
		p.line(0, "Completions:\t<unset>")
	}
	number("Completions", j.Spec.Completions)
	if m := j.Spec.CompletionMode; m != nil {
		p.line(0, "Completion Mode:\t%s", *m)
	}
	if j.Spec.Suspend != nil {
		p.line(0, "Suspend:\t%v", *j.Spec.Suspend)
	}
	number("Backoff Limit", j.Spec.BackoffLimit)
	number("TTL Seconds After Finished", j.Spec.TTLSecondsAfterFinished)
	if s.StartTime != nil {
		p.line(0, "Start Time:\t%s", stamp(*s.StartTime))
	}
	if s.CompletionTime != nil {
		p.line(0, "Completed At:\t%s", stamp(*s.CompletionTime))
	}
	if s.StartTime != nil && s.CompletionTime != nil {
		p.line(0, "Duration:\t%s", duration.HumanDuration(s.CompletionTime.Sub(s.StartTime.Time)))
	}
	if seconds := j.Spec.ActiveDeadlineSeconds; seconds != nil {
		p.line(0, "Active Deadline Seconds:\t%ds", *seconds)
	}
	active := fmt.Sprintf("%d Active", s.Active)
	if s.Ready != nil {
		active += fmt.Sprintf(" (%d Ready)", *s.Ready)
	}
	p.line(0, "Pods Statuses:\t%s / %d Succeeded / %d Failed", active, s.Succeeded, s.Failed)
	if value(j.Spec.CompletionMode) == batchv1.IndexedCompletion {
		indexes := s.CompletedIndexes
		if indexes == "" {
			indexes = "<none>"
		}
		p.line(0, "Completed Indexes:\t%s", indexes)
	}
	p.template(&j.Spec.Template)
	return p.end(around)
}
