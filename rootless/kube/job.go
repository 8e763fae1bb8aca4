package kube

import (
	"fmt"
	"maps"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Jobs is the kind Job.
var Jobs = define(Kind{Group: "batch", Name: "Job", Resource: "jobs"}, rules[*batchv1.Job]{
	empty: func() *batchv1.Job { return &batchv1.Job{} }, setDefaults: defaultJob, validate: validateJob,
	equal: func(applied, stored *batchv1.Job) bool { return sameWish(selecting(applied, stored), stored) },
	validateUpdate: func(applied, stored *batchv1.Job) field.ErrorList {
		return validateJobUpdate(selecting(applied, stored), stored)
	},
	adopt: func(stored, applied *batchv1.Job) { adoptWish(stored, selecting(applied, stored)) },
})

// CronJobs is the kind CronJob.
var CronJobs = define(Kind{Group: "batch", Name: "CronJob", Resource: "cronjobs"}, rules[*batchv1.CronJob]{
	empty: func() *batchv1.CronJob { return &batchv1.CronJob{} }, setDefaults: defaultCronJob, validate: validateCronJob,
	validateUpdate: func(applied, stored *batchv1.CronJob) field.ErrorList {
		return validateMetadataUpdate(&applied.ObjectMeta, &stored.ObjectMeta)
	},
})

func defaultJob(j *batchv1.Job) {
	defaultJobSpec(&j.Spec)
	if len(j.Labels) == 0 && len(j.Spec.Template.Labels) > 0 {
		j.Labels = maps.Clone(j.Spec.Template.Labels)
	}
}

func defaultJobSpec(spec *batchv1.JobSpec) {
	if spec.Completions == nil && spec.Parallelism == nil {
		setPointer(&spec.Completions, 1)
	}
	setPointer(&spec.Parallelism, 1)
	setPointer(&spec.BackoffLimit, 6)
	setPointer(&spec.CompletionMode, batchv1.NonIndexedCompletion)
	setPointer(&spec.Suspend, false)
	setPointer(&spec.PodReplacementPolicy, batchv1.TerminatingOrFailed)
	defaultTemplate(&spec.Template)
}

func defaultCronJob(c *batchv1.CronJob) {
	setDefault(&c.Spec.ConcurrencyPolicy, batchv1.AllowConcurrent)
	setPointer(&c.Spec.Suspend, false)
	setPointer(&c.Spec.SuccessfulJobsHistoryLimit, 3)
	setPointer(&c.Spec.FailedJobsHistoryLimit, 1)
	defaultTemplate(&c.Spec.JobTemplate.Spec.Template)
}

// manual says whether the user chose the selector.
func manual(j *batchv1.Job) bool { return j.Spec.ManualSelector != nil && *j.Spec.ManualSelector }

// SelectJob gives a new Job its selector, and the labels for it to the template: both of the old and the new names. The Job has its uid.
func SelectJob(j *batchv1.Job) {
	if manual(j) {
		return
	}
	uid := string(j.UID)
	if j.Spec.Template.Labels == nil {
		j.Spec.Template.Labels = map[string]string{}
	}
	for name, value := range map[string]string{
		batchv1.ControllerUidLabel: uid, "controller-uid": uid, batchv1.JobNameLabel: j.Name, "job-name": j.Name,
	} {
		j.Spec.Template.Labels[name] = value
	}
	j.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{batchv1.ControllerUidLabel: uid}}
}

// selecting is an applied Job with the selector of the stored one.
func selecting(applied, stored *batchv1.Job) *batchv1.Job {
	j := applied.DeepCopy()
	j.UID = stored.UID
	if j.Spec.Selector == nil && !manual(j) {
		SelectJob(j)
	}
	if len(applied.Spec.Template.Labels) == 0 && maps.Equal(j.Labels, applied.Labels) && len(j.Labels) == 0 {
		j.Labels = stored.Labels
	}
	return j
}

func validateJob(j *batchv1.Job, f Features) field.ErrorList {
	path := field.NewPath("spec")
	errs := append(validateMetadata(&j.ObjectMeta), validateJobSpec(&j.Spec, path)...)
	switch {
	case manual(j) && j.Spec.Selector == nil:
		errs = append(errs, field.Required(path.Child("selector"), ""))
	case manual(j):
		errs = append(errs, validateSelector(j, j.Spec.Selector, "job")...)
	}
	return append(errs, validateTemplate(j, f)...)
}

func validateJobSpec(spec *batchv1.JobSpec, path *field.Path) field.ErrorList {
	errs := notNegative(nil, path, "parallelism", spec.Parallelism, "completions", spec.Completions, "activeDeadlineSeconds", spec.ActiveDeadlineSeconds,
		"backoffLimit", spec.BackoffLimit, "ttlSecondsAfterFinished", spec.TTLSecondsAfterFinished)
	if m := spec.CompletionMode; m != nil {
		errs = append(errs, oneOf(path.Child("completionMode"), *m, batchv1.NonIndexedCompletion, batchv1.IndexedCompletion)...)
		if *m == batchv1.IndexedCompletion && spec.Completions == nil {
			errs = append(errs, field.Required(path.Child("completions"), "when completion mode is Indexed"))
		}
	}
	at, policy := path.Child("template", "spec", "restartPolicy"), spec.Template.Spec.RestartPolicy
	switch {
	case policy == corev1.RestartPolicyAlways, policy == "":
		errs = append(errs, field.Required(at, `valid values: "OnFailure", "Never"`))
	case policy != corev1.RestartPolicyOnFailure && policy != corev1.RestartPolicyNever:
		errs = append(errs, field.NotSupported(at, policy, []corev1.RestartPolicy{corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever}))
	}
	for _, unsupported := range []struct {
		name  string
		given bool
	}{
		{"backoffLimitPerIndex", spec.BackoffLimitPerIndex != nil}, {"maxFailedIndexes", spec.MaxFailedIndexes != nil},
		{"podFailurePolicy", spec.PodFailurePolicy != nil}, {"successPolicy", spec.SuccessPolicy != nil},
		{"managedBy", spec.ManagedBy != nil},
	} {
		if unsupported.given {
			errs = append(errs, field.Forbidden(path.Child(unsupported.name), "not supported by this version of peapod"))
		}
	}
	return errs
}

func validateJobUpdate(j, old *batchv1.Job) field.ErrorList {
	path := field.NewPath("spec")
	errs := validateMetadataUpdate(&j.ObjectMeta, &old.ObjectMeta)
	errs = append(errs, apivalidation.ValidateImmutableField(j.Spec.Completions, old.Spec.Completions, path.Child("completions"))...)
	errs = append(errs, apivalidation.ValidateImmutableField(j.Spec.Selector, old.Spec.Selector, path.Child("selector"))...)
	errs = append(errs, apivalidation.ValidateImmutableField(j.Spec.CompletionMode, old.Spec.CompletionMode, path.Child("completionMode"))...)
	if !equality.Semantic.DeepEqual(j.Spec.Template, old.Spec.Template) {
		var lines []string
		compare("spec.template", tree(j.Spec.Template), tree(old.Spec.Template), func(path string, after, before any) {
			lines = append(lines, difference(path, after, before))
		})
		errs = append(errs, field.Forbidden(path.Child("template"), "field is immutable\n"+strings.Join(lines, "\n")))
	}
	return errs
}

func validateCronJob(c *batchv1.CronJob, f Features) field.ErrorList {
	path := field.NewPath("spec")
	errs := validateMetadata(&c.ObjectMeta)
	if c.Spec.Schedule == "" {
		errs = append(errs, field.Required(path.Child("schedule"), ""))
	} else if strings.Contains(c.Spec.Schedule, "TZ") {
		errs = append(errs, field.Invalid(path.Child("schedule"), c.Spec.Schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"))
	} else if _, err := ParseSchedule(c.Spec.Schedule); err != nil {
		errs = append(errs, field.Invalid(path.Child("schedule"), c.Spec.Schedule, err.Error()))
	}
	if zone := c.Spec.TimeZone; zone != nil {
		if _, err := time.LoadLocation(*zone); err != nil || *zone == "" || *zone == "Local" {
			errs = append(errs, field.Invalid(path.Child("timeZone"), *zone, fmt.Sprintf("unknown time zone %s", *zone)))
		}
	}
	errs = append(errs, oneOf(path.Child("concurrencyPolicy"), c.Spec.ConcurrencyPolicy,
		batchv1.AllowConcurrent, batchv1.ForbidConcurrent, batchv1.ReplaceConcurrent)...)
	errs = notNegative(errs, path, "startingDeadlineSeconds", c.Spec.StartingDeadlineSeconds,
		"successfulJobsHistoryLimit", c.Spec.SuccessfulJobsHistoryLimit, "failedJobsHistoryLimit", c.Spec.FailedJobsHistoryLimit)
	errs = append(errs, validateJobSpec(&c.Spec.JobTemplate.Spec, path.Child("jobTemplate", "spec"))...)
	errs = append(errs, validateTemplate(c, f)...)
	if len(c.Name) > 52 { // a Job's name has a hyphen and ten digits more, and must be a label
		errs = append(errs, field.Invalid(field.NewPath("metadata", "name"), c.Name, "must be no more than 52 characters"))
	}
	return errs
}
