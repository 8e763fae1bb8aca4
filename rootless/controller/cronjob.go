package controller

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/peapod/peapod/rootless/kube"
)

func reconcileCronJob(now time.Time, c *batchv1.CronJob, jobs []*batchv1.Job) *Plan {
	plan := &Plan{Object: c}
	var active, succeeded, failed []*batchv1.Job
	for _, j := range jobs {
		switch _, finished := Finished(j); {
		case !finished:
			active = append(active, j)
		case j.Status.CompletionTime != nil:
			succeeded = append(succeeded, j)
			if t := j.Status.CompletionTime; c.Status.LastSuccessfulTime == nil || c.Status.LastSuccessfulTime.Before(t) {
				c.Status.LastSuccessfulTime = t
			}
		default:
			failed = append(failed, j)
		}
	}
	plan.keep(succeeded, c.Spec.SuccessfulJobsHistoryLimit)
	plan.keep(failed, c.Spec.FailedJobsHistoryLimit)
	c.Status.Active = nil
	for _, j := range active {
		c.Status.Active = append(c.Status.Active, jobReference(j))
	}
	if isTrue(c.Spec.Suspend) {
		return plan
	}
	due := plan.due(now, c)
	if due.IsZero() {
		return plan
	}
	switch {
	case c.Spec.ConcurrencyPolicy == batchv1.ForbidConcurrent && len(active) > 0:
		return plan
	case c.Spec.ConcurrencyPolicy == batchv1.ReplaceConcurrent:
		for _, j := range active {
			plan.delete(j, "Deleted job %v")
		}
		c.Status.Active = nil
	}
	at := metav1.NewTime(due)
	c.Status.LastScheduleTime = &at
	if name := jobName(c, due); !slices.ContainsFunc(jobs, func(j *batchv1.Job) bool { return j.Name == name }) {
		plan.create(jobFrom(c, due), "Created job %s")
	}
	return plan
}

// keep deletes all but the last of what has ended.
func (p *Plan) keep(jobs []*batchv1.Job, limit *int32) {
	if limit == nil {
		return
	}
	jobs = slices.SortedFunc(slices.Values(jobs), byEnd)
	for _, j := range jobs[:max(0, len(jobs)-int(*limit))] {
		p.delete(j, "Deleted job %v")
	}
}

// due is the last time before now at which the CronJob has not run but should have; zero if there is none. The plan wakes at the next.
func (p *Plan) due(now time.Time, c *batchv1.CronJob) (due time.Time) {
	schedule, err := kube.ParseSchedule(c.Spec.Schedule)
	if err != nil { // it was validated
		return due
	}
	zone := now.Location()
	if c.Spec.TimeZone != nil {
		if zone, err = time.LoadLocation(*c.Spec.TimeZone); err != nil {
			p.emit(corev1.EventTypeWarning, "UnknownTimeZone", "invalid timeZone: %q: %s", *c.Spec.TimeZone, err)
			return due
		}
	}
	last := c.CreationTimestamp.Time
	if t := c.Status.LastScheduleTime; t != nil {
		last = t.Time
	}
	if s := c.Spec.StartingDeadlineSeconds; s != nil {
		if earliest := now.Add(-time.Duration(min(*s, math.MaxInt64/int64(time.Second))) * time.Second); earliest.After(last) {
			last = earliest
		}
	}
	if skipped := now.AddDate(0, 0, -1); skipped.After(last) && schedule.Next(skipped.In(zone)).Before(now) {
		last = skipped // only the last time counts: do not go through all of them
	}
	next := schedule.Next(last.In(zone))
	for !next.IsZero() && !next.After(now) {
		due, next = next, schedule.Next(next)
	}
	if !next.IsZero() {
		p.wake(next)
	}
	return due
}

// jobName tells the minute of the schedule, so that it is made once only.
func jobName(c *batchv1.CronJob, at time.Time) string {
	return fmt.Sprintf("%s-%d", c.Name, at.Unix()/60)
}

func jobFrom(c *batchv1.CronJob, at time.Time) *batchv1.Job {
	template := &c.Spec.JobTemplate
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Name: jobName(c, at), Namespace: c.Namespace, Labels: maps.Clone(template.Labels),
			Annotations:     with(template.Annotations, batchv1.CronJobScheduledTimestampAnnotation, at.Format(time.RFC3339)),
			OwnerReferences: []metav1.OwnerReference{reference(c)},
		},
		Spec: *template.Spec.DeepCopy(),
	}
}

func jobReference(j *batchv1.Job) corev1.ObjectReference {
	return corev1.ObjectReference{APIVersion: "batch/v1", Kind: "Job", Namespace: j.Namespace, Name: j.Name, UID: j.UID, ResourceVersion: j.ResourceVersion}
}
