package api

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/peapod/peapod/rootless/kube"
)

// workloads are the resources whose objects make Pods.
var workloads = []*resource{
	{
		kind: kube.Deployments, shortNames: []string{"deploy"}, categories: []string{"all"},
		columns: tableColumns("Name,Ready,Up-to-date,Available,Age", "Containers,Images,Selector"),
		cells: func(o kube.Object, now time.Time) []any {
			d := o.(*appsv1.Deployment)
			return append([]any{
				d.Name, fmt.Sprintf("%d/%d", d.Status.ReadyReplicas, value(d.Spec.Replicas)), cell(d.Status.UpdatedReplicas), cell(d.Status.AvailableReplicas),
				age(d.CreationTimestamp, now),
			}, templateCells(&d.Spec.Template, d.Spec.Selector)...)
		},
	},
	{
		kind: kube.ReplicaSets, shortNames: []string{"rs"}, categories: []string{"all"},
		columns: tableColumns("Name,Desired,Current,Ready,Age", "Containers,Images,Selector"),
		cells: func(o kube.Object, now time.Time) []any {
			r := o.(*appsv1.ReplicaSet)
			return append([]any{
				r.Name, cell(value(r.Spec.Replicas)), cell(r.Status.Replicas), cell(r.Status.ReadyReplicas), age(r.CreationTimestamp, now),
			}, templateCells(&r.Spec.Template, r.Spec.Selector)...)
		},
		fields: func(o kube.Object) fields.Set {
			return fields.Set{"status.replicas": cell(o.(*appsv1.ReplicaSet).Status.Replicas)}
		},
	},
	{
		kind: kube.ReplicationControllers, shortNames: []string{"rc"}, categories: []string{"all"},
		columns: tableColumns("Name,Desired,Current,Ready,Age", "Containers,Images,Selector"),
		cells: func(o kube.Object, now time.Time) []any {
			r := o.(*corev1.ReplicationController)
			return append([]any{
				r.Name, cell(value(r.Spec.Replicas)), cell(r.Status.Replicas), cell(r.Status.ReadyReplicas), age(r.CreationTimestamp, now),
			}, templateCells(r.Spec.Template, &metav1.LabelSelector{MatchLabels: r.Spec.Selector})...)
		},
		fields: func(o kube.Object) fields.Set {
			return fields.Set{"status.replicas": cell(o.(*corev1.ReplicationController).Status.Replicas)}
		},
	},
	{
		kind: kube.StatefulSets, shortNames: []string{"sts"}, categories: []string{"all"},
		columns: tableColumns("Name,Ready,Age", "Containers,Images"),
		cells: func(o kube.Object, now time.Time) []any {
			s := o.(*appsv1.StatefulSet)
			return append([]any{
				s.Name, fmt.Sprintf("%d/%d", s.Status.ReadyReplicas, value(s.Spec.Replicas)), age(s.CreationTimestamp, now),
			}, templateCells(&s.Spec.Template, nil)[:2]...)
		},
	},
	{
		kind: kube.DaemonSets, shortNames: []string{"ds"}, categories: []string{"all"},
		columns: tableColumns("Name,Desired,Current,Ready,Up-to-date,Available,Node Selector,Age", "Containers,Images,Selector"),
		cells: func(o kube.Object, now time.Time) []any {
			d := o.(*appsv1.DaemonSet)
			s := &d.Status
			return append([]any{
				d.Name, cell(s.DesiredNumberScheduled), cell(s.CurrentNumberScheduled), cell(s.NumberReady), cell(s.UpdatedNumberScheduled), cell(s.NumberAvailable),
				labels.FormatLabels(d.Spec.Template.Spec.NodeSelector), age(d.CreationTimestamp, now),
			}, templateCells(&d.Spec.Template, d.Spec.Selector)...)
		},
	},
	{
		kind: kube.Jobs, categories: []string{"all"},
		columns: tableColumns("Name,Status,Completions,Duration,Age", "Containers,Images,Selector"),
		cells: func(o kube.Object, now time.Time) []any {
			j := o.(*batchv1.Job)
			return append([]any{j.Name, jobStatus(j), completions(j), jobDuration(j, now), age(j.CreationTimestamp, now)},
				templateCells(&j.Spec.Template, j.Spec.Selector)...)
		},
		fields: func(o kube.Object) fields.Set {
			return fields.Set{"status.successful": cell(o.(*batchv1.Job).Status.Succeeded)}
		},
	},
	{
		kind: kube.CronJobs, shortNames: []string{"cj"}, categories: []string{"all"},
		columns: tableColumns("Name,Schedule,Timezone,Suspend,Active,Last Schedule,Age", "Containers,Images,Selector"),
		cells: func(o kube.Object, now time.Time) []any {
			c := o.(*batchv1.CronJob)
			zone, last, suspend := none, none, "<unset>"
			if c.Spec.TimeZone != nil {
				zone = *c.Spec.TimeZone
			}
			if t := c.Status.LastScheduleTime; t != nil {
				last = age(*t, now)
			}
			if c.Spec.Suspend != nil {
				suspend = map[bool]string{true: "True", false: "False"}[*c.Spec.Suspend]
			}
			return append([]any{c.Name, c.Spec.Schedule, zone, suspend, strconv.Itoa(len(c.Status.Active)), last, age(c.CreationTimestamp, now)},
				templateCells(&c.Spec.JobTemplate.Spec.Template, c.Spec.JobTemplate.Spec.Selector)...)
		},
	},
}

// tableColumns are those that are always shown and those that are with -o wide.
func tableColumns(always, wide string) []metav1.TableColumnDefinition {
	var all []metav1.TableColumnDefinition
	for name := range strings.SplitSeq(always, ",") {
		all = append(all, column(name))
	}
	for name := range strings.SplitSeq(wide, ",") {
		all = append(all, wideColumn(name))
	}
	return all
}

func cell(n int32) string { return strconv.Itoa(int(n)) }

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// templateCells are names and images of the containers, and the selector.
func templateCells(t *corev1.PodTemplateSpec, selector *metav1.LabelSelector) []any {
	var names, images []string
	for i := range t.Spec.Containers {
		names, images = append(names, t.Spec.Containers[i].Name), append(images, t.Spec.Containers[i].Image)
	}
	return []any{strings.Join(names, ","), strings.Join(images, ","), metav1.FormatLabelSelector(selector)}
}

func jobStatus(j *batchv1.Job) string {
	has := func(kind batchv1.JobConditionType) bool {
		return slices.ContainsFunc(j.Status.Conditions, func(c batchv1.JobCondition) bool { return c.Type == kind && c.Status == corev1.ConditionTrue })
	}
	switch {
	case has(batchv1.JobComplete):
		return "Complete"
	case has(batchv1.JobFailed):
		return "Failed"
	case j.DeletionTimestamp != nil:
		return "Terminating"
	case has(batchv1.JobSuspended):
		return "Suspended"
	case has(batchv1.JobFailureTarget):
		return "FailureTarget"
	case has(batchv1.JobSuccessCriteriaMet):
		return "SuccessCriteriaMet"
	}
	return "Running"
}

func completions(j *batchv1.Job) string {
	switch parallelism := value(j.Spec.Parallelism); {
	case j.Spec.Completions != nil:
		return fmt.Sprintf("%d/%d", j.Status.Succeeded, *j.Spec.Completions)
	case parallelism > 1:
		return fmt.Sprintf("%d/1 of %d", j.Status.Succeeded, parallelism)
	}
	return fmt.Sprintf("%d/1", j.Status.Succeeded)
}

func jobDuration(j *batchv1.Job, now time.Time) string {
	start, end := j.Status.StartTime, j.Status.CompletionTime
	switch {
	case start == nil:
		return ""
	case end == nil:
		return duration.HumanDuration(now.Sub(start.Time))
	}
	return duration.HumanDuration(end.Sub(start.Time))
}
