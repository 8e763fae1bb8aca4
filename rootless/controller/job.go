package controller

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// How long to wait before a Pod replaces one that failed: 10 s, doubled with each failure.
const (
	jobBackoffFirst = 10 * time.Second
	jobBackoffMax   = 10 * time.Minute
)

// run is one Job being reconciled.
type run struct {
	*Plan
	now                       time.Time
	j                         *batchv1.Job
	active, succeeded, failed []*corev1.Pod
	terminating               []*corev1.Pod
}

func reconcileJob(now time.Time, j *batchv1.Job, pods []*corev1.Pod) *Plan {
	r := &run{Plan: &Plan{Object: j}, now: now, j: j}
	for _, pod := range pods {
		switch {
		case pod.Status.Phase == corev1.PodSucceeded:
			r.succeeded = append(r.succeeded, pod)
		case pod.Status.Phase == corev1.PodFailed:
			r.failed = append(r.failed, pod)
		case pod.DeletionTimestamp != nil:
			r.terminating = append(r.terminating, pod)
		default:
			r.active = append(r.active, pod)
		}
	}
	if end, finished := Finished(j); finished {
		r.expire(end)
		return r.Plan
	}
	r.count()
	switch reason, message := r.failure(); {
	case reason != "":
		r.fail(reason, message)
	case r.complete():
		r.succeed()
	case isTrue(j.Spec.Suspend):
		r.suspend()
	default:
		r.resume()
		r.work()
	}
	return r.Plan
}

// Finished says whether a Job has ended, and when.
func Finished(j *batchv1.Job) (at time.Time, finished bool) {
	for _, c := range j.Status.Conditions {
		if (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue {
			return c.LastTransitionTime.Time, true
		}
	}
	return at, false
}

// expire deletes a Job whose time to live is over.
func (r *run) expire(end time.Time) {
	if r.j.Spec.TTLSecondsAfterFinished == nil {
		return
	}
	due := end.Add(time.Duration(*r.j.Spec.TTLSecondsAfterFinished) * time.Second)
	if due.After(r.now) {
		r.wake(due)
		return
	}
	r.delete(r.j, "")
}

// count brings the numbers of the status up to date. What has ended once stays counted.
func (r *run) count() {
	s := &r.j.Status
	s.Active, s.Ready, s.Terminating = int32(len(r.active)), new(int32), new(int32)
	*s.Terminating = int32(len(r.terminating))
	for _, pod := range r.active {
		count(s.Ready, ready(pod))
	}
	s.Succeeded = max(s.Succeeded, int32(len(r.succeeded)))
	s.Failed = max(s.Failed, int32(len(r.failed)))
	s.UncountedTerminatedPods = &batchv1.UncountedTerminatedPods{}
	if r.indexed() {
		done := r.indexesDone()
		s.Succeeded, s.CompletedIndexes = int32(len(done)), indexText(done)
	}
}

func (r *run) indexed() bool { return value(r.j.Spec.CompletionMode) == batchv1.IndexedCompletion }

func index(pod *corev1.Pod) int {
	n, err := strconv.Atoi(pod.Annotations[batchv1.JobCompletionIndexAnnotation])
	if err != nil {
		return -1
	}
	return n
}

// indexesDone are the indexes that have succeeded, in order.
func (r *run) indexesDone() []int {
	done := parseIndexes(r.j.Status.CompletedIndexes)
	for _, pod := range r.succeeded {
		if n := index(pod); n >= 0 && n < int(value(r.j.Spec.Completions)) {
			done = append(done, n)
		}
	}
	slices.Sort(done)
	return slices.Compact(done)
}

// indexText writes 0,1,2,5 as 0-2,5.
func indexText(indexes []int) string {
	var parts []string
	for i := 0; i < len(indexes); {
		k := i
		for k+1 < len(indexes) && indexes[k+1] == indexes[k]+1 {
			k++
		}
		switch {
		case k == i:
			parts = append(parts, strconv.Itoa(indexes[i]))
		case k == i+1:
			parts = append(parts, strconv.Itoa(indexes[i]), strconv.Itoa(indexes[k]))
		default:
			parts = append(parts, fmt.Sprintf("%d-%d", indexes[i], indexes[k]))
		}
		i = k + 1
	}
	return strings.Join(parts, ",")
}

func parseIndexes(text string) (indexes []int) {
	for part := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(part, "-")
		from, err := strconv.Atoi(low)
		if err != nil {
			continue
		}
		to := from
		if isRange {
			to, _ = strconv.Atoi(high)
		}
		for n := from; n <= to; n++ {
			indexes = append(indexes, n)
		}
	}
	return indexes
}

// failure is why the Job has failed, if it has. What was found once holds: the Pod whose restarts were too many is gone before the Job has ended.
func (r *run) failure() (reason, message string) {
	for _, c := range r.j.Status.Conditions {
		if c.Type == batchv1.JobFailureTarget && c.Status == corev1.ConditionTrue {
			return c.Reason, c.Message
		}
	}
	limit := value(r.j.Spec.BackoffLimit)
	restarts := int32(0)
	if r.j.Spec.Template.Spec.RestartPolicy == corev1.RestartPolicyOnFailure {
		for _, pod := range r.active {
			for _, c := range append(slices.Clone(pod.Status.InitContainerStatuses), pod.Status.ContainerStatuses...) {
				restarts += c.RestartCount
			}
		}
	}
	if r.j.Status.Failed > limit || restarts > 0 && restarts >= limit && limit > 0 || limit == 0 && restarts > 0 {
		return batchv1.JobReasonBackoffLimitExceeded, "Job has reached the specified backoff limit"
	}
	if s, start := r.j.Spec.ActiveDeadlineSeconds, r.j.Status.StartTime; s != nil && start != nil && !isTrue(r.j.Spec.Suspend) {
		due := start.Add(time.Duration(*s) * time.Second)
		if !due.After(r.now) {
			return batchv1.JobReasonDeadlineExceeded, "Job was active longer than specified deadline"
		}
		r.wake(due)
	}
	return "", ""
}

// complete says whether enough Pods have succeeded: without a number of completions one, when all others have ended too.
func (r *run) complete() bool {
	if c := r.j.Spec.Completions; c != nil {
		return r.j.Status.Succeeded >= *c
	}
	return r.j.Status.Succeeded > 0 && len(r.active)+len(r.terminating) == 0
}

func (r *run) fail(reason, message string) {
	r.stop()
	r.condition(batchv1.JobFailureTarget, corev1.ConditionTrue, reason, message)
	if len(r.active)+len(r.terminating) > 0 {
		return // it has failed when its Pods have ended
	}
	r.condition(batchv1.JobFailed, corev1.ConditionTrue, reason, message)
	r.emit(corev1.EventTypeWarning, reason, "%s", message)
}

func (r *run) succeed() {
	const message = "Reached expected number of succeeded pods"
	r.stop()
	r.condition(batchv1.JobSuccessCriteriaMet, corev1.ConditionTrue, batchv1.JobReasonCompletionsReached, message)
	if len(r.active)+len(r.terminating) > 0 {
		return
	}
	r.condition(batchv1.JobComplete, corev1.ConditionTrue, batchv1.JobReasonCompletionsReached, message)
	now := metav1.NewTime(r.now)
	r.j.Status.CompletionTime = &now
	r.emit(corev1.EventTypeNormal, "Completed", "Job completed")
}

// stop ends all that runs.
func (r *run) stop() {
	for _, pod := range r.active {
		r.delete(pod, deletedPod)
	}
}

func (r *run) suspend() {
	r.stop()
	r.j.Status.StartTime = nil
	if r.condition(batchv1.JobSuspended, corev1.ConditionTrue, "JobSuspended", "Job suspended") {
		r.emit(corev1.EventTypeNormal, "Suspended", "Job suspended")
	}
}

func (r *run) resume() {
	suspended := slices.ContainsFunc(r.j.Status.Conditions, func(c batchv1.JobCondition) bool {
		return c.Type == batchv1.JobSuspended && c.Status == corev1.ConditionTrue
	})
	if suspended {
		r.condition(batchv1.JobSuspended, corev1.ConditionFalse, "JobResumed", "Job resumed")
		r.emit(corev1.EventTypeNormal, "Resumed", "Job resumed")
	}
	if r.j.Status.StartTime == nil {
		now := metav1.NewTime(r.now)
		r.j.Status.StartTime = &now
	}
}

// work makes as many Pods as may run at once, but not so soon after a failure.
func (r *run) work() {
	wanted := value(r.j.Spec.Parallelism)
	if c := r.j.Spec.Completions; c != nil {
		wanted = min(wanted, *c-r.j.Status.Succeeded)
	} else if r.j.Status.Succeeded > 0 {
		wanted = min(wanted, int32(len(r.active)))
	}
	missing := int(wanted) - len(r.active)
	if value(r.j.Spec.PodReplacementPolicy) == batchv1.Failed {
		missing -= len(r.terminating)
	}
	if missing < 0 {
		for _, pod := range dispensable(r.active)[:min(-missing, len(r.active))] {
			r.delete(pod, deletedPod)
		}
		return
	}
	if missing == 0 || r.backsOff() {
		return
	}
	if r.indexed() {
		r.createIndexed(missing)
		return
	}
	for range missing {
		r.create(podFrom(r.j, &r.j.Spec.Template), createdPod)
	}
}

// backsOff says whether it is too soon after the last failure.
func (r *run) backsOff() bool {
	if len(r.failed) == 0 {
		return false
	}
	last := slices.MaxFunc(r.failed, func(a, b *corev1.Pod) int { return endOf(a).Compare(endOf(b)) })
	for _, pod := range r.succeeded {
		if endOf(pod).After(endOf(last)) {
			return false
		}
	}
	delay := min(jobBackoffFirst<<min(len(r.failed)-1, 10), jobBackoffMax)
	due := endOf(last).Add(delay)
	if due.After(r.now) {
		r.wake(due)
		return true
	}
	return false
}

// endOf is when the last container of a Pod ended.
func endOf(pod *corev1.Pod) time.Time {
	last := pod.CreationTimestamp.Time
	for _, c := range pod.Status.ContainerStatuses {
		if t := c.State.Terminated; t != nil && t.FinishedAt.After(last) {
			last = t.FinishedAt.Time
		}
	}
	return last
}

// createIndexed makes Pods for the lowest indexes that have none.
func (r *run) createIndexed(missing int) {
	taken := r.indexesDone()
	for _, pod := range r.active {
		taken = append(taken, index(pod))
	}
	for n := 0; n < int(value(r.j.Spec.Completions)) && missing > 0; n++ {
		if slices.Contains(taken, n) {
			continue
		}
		missing--
		text := strconv.Itoa(n)
		pod := podFrom(r.j, &r.j.Spec.Template)
		pod.GenerateName = r.j.Name + "-" + text + "-"
		pod.Annotations = with(pod.Annotations, batchv1.JobCompletionIndexAnnotation, text)
		pod.Labels[batchv1.JobCompletionIndexAnnotation] = text
		pod.Spec.Hostname = r.j.Name + "-" + text
		for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
			for i := range containers {
				if !slices.ContainsFunc(containers[i].Env, func(e corev1.EnvVar) bool { return e.Name == "JOB_COMPLETION_INDEX" }) {
					containers[i].Env = append(containers[i].Env, corev1.EnvVar{Name: "JOB_COMPLETION_INDEX", ValueFrom: &corev1.EnvVarSource{
						FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.annotations['" + batchv1.JobCompletionIndexAnnotation + "']"},
					}})
				}
			}
		}
		r.create(pod, createdPod)
	}
}

// condition sets a condition and says whether that changed anything.
func (r *run) condition(kind batchv1.JobConditionType, status corev1.ConditionStatus, reason, message string) bool {
	now := metav1.NewTime(r.now)
	next := batchv1.JobCondition{Type: kind, Status: status, Reason: reason, Message: message, LastProbeTime: now, LastTransitionTime: now}
	i := slices.IndexFunc(r.j.Status.Conditions, func(c batchv1.JobCondition) bool { return c.Type == kind })
	switch {
	case i < 0:
		r.j.Status.Conditions = append(r.j.Status.Conditions, next)
	case r.j.Status.Conditions[i].Status == status:
		return false
	default:
		r.j.Status.Conditions[i] = next
	}
	return true
}

// byEnd sorts Jobs, the one that ended first before others.
func byEnd(a, b *batchv1.Job) int {
	x, _ := Finished(a)
	y, _ := Finished(b)
	return cmp.Or(x.Compare(y), cmp.Compare(a.Name, b.Name))
}
