package kube

import (
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Workloads are the kinds that make Pods of a template (package controller). What is wrong with the template is told as it would be of a Pod.

// Deployments is the kind Deployment.
var Deployments = define(Kind{Group: "apps", Name: "Deployment", Resource: "deployments"}, rules[*appsv1.Deployment]{
	empty: func() *appsv1.Deployment { return &appsv1.Deployment{} }, setDefaults: defaultDeployment, validate: validateDeployment,
	validateUpdate: validateDeploymentUpdate,
})

// ReplicaSets is the kind ReplicaSet.
var ReplicaSets = define(Kind{Group: "apps", Name: "ReplicaSet", Resource: "replicasets"}, rules[*appsv1.ReplicaSet]{
	empty: func() *appsv1.ReplicaSet { return &appsv1.ReplicaSet{} }, setDefaults: defaultReplicaSet, validate: validateReplicaSet,
	validateUpdate: validateReplicaSetUpdate,
})

// StatefulSets is the kind StatefulSet.
var StatefulSets = define(Kind{Group: "apps", Name: "StatefulSet", Resource: "statefulsets"}, rules[*appsv1.StatefulSet]{
	empty: func() *appsv1.StatefulSet { return &appsv1.StatefulSet{} }, setDefaults: defaultStatefulSet, validate: validateStatefulSet,
	validateUpdate: validateStatefulSetUpdate,
})

// DaemonSets is the kind DaemonSet.
var DaemonSets = define(Kind{Group: "apps", Name: "DaemonSet", Resource: "daemonsets"}, rules[*appsv1.DaemonSet]{
	empty: func() *appsv1.DaemonSet { return &appsv1.DaemonSet{} }, setDefaults: defaultDaemonSet, validate: validateDaemonSet,
	validateUpdate: validateDaemonSetUpdate,
})

// Template is the template of the Pods that a workload makes, and where it is; nil of an object that makes none.
func Template(o Object) (*corev1.PodTemplateSpec, *field.Path) {
	path := field.NewPath("spec", "template")
	switch o := o.(type) {
	case *appsv1.Deployment:
		return &o.Spec.Template, path
	case *appsv1.ReplicaSet:
		return &o.Spec.Template, path
	case *appsv1.StatefulSet:
		return &o.Spec.Template, path
	case *appsv1.DaemonSet:
		return &o.Spec.Template, path
	case *corev1.ReplicationController:
		return o.Spec.Template, path
	case *batchv1.Job:
		return &o.Spec.Template, path
	case *batchv1.CronJob:
		return &o.Spec.JobTemplate.Spec.Template, field.NewPath("spec", "jobTemplate", "spec", "template")
	}
	return nil, nil
}

func defaultTemplate(t *corev1.PodTemplateSpec) {
	pod := &corev1.Pod{Spec: t.Spec}
	Default(pod)
	t.Spec = pod.Spec
}

func defaultDeployment(d *appsv1.Deployment) {
	setPointer(&d.Spec.Replicas, 1)
	setPointer(&d.Spec.RevisionHistoryLimit, 10)
	setPointer(&d.Spec.ProgressDeadlineSeconds, 600)
	setDefault(&d.Spec.Strategy.Type, appsv1.RollingUpdateDeploymentStrategyType)
	if d.Spec.Strategy.Type == appsv1.RollingUpdateDeploymentStrategyType {
		setPointer(&d.Spec.Strategy.RollingUpdate, appsv1.RollingUpdateDeployment{})
		quarter := intstr.FromString("25%")
		setPointer(&d.Spec.Strategy.RollingUpdate.MaxUnavailable, quarter)
		setPointer(&d.Spec.Strategy.RollingUpdate.MaxSurge, quarter)
	}
	defaultTemplate(&d.Spec.Template)
}

func defaultReplicaSet(r *appsv1.ReplicaSet) {
	setPointer(&r.Spec.Replicas, 1)
	defaultTemplate(&r.Spec.Template)
}

func defaultStatefulSet(s *appsv1.StatefulSet) {
	setPointer(&s.Spec.Replicas, 1)
	setPointer(&s.Spec.RevisionHistoryLimit, 10)
	setDefault(&s.Spec.PodManagementPolicy, appsv1.OrderedReadyPodManagement)
	if s.Spec.UpdateStrategy.Type == "" {
		s.Spec.UpdateStrategy.Type = appsv1.RollingUpdateStatefulSetStrategyType
		setPointer(&s.Spec.UpdateStrategy.RollingUpdate, appsv1.RollingUpdateStatefulSetStrategy{})
	}
	if r := s.Spec.UpdateStrategy.RollingUpdate; r != nil {
		setPointer(&r.Partition, 0)
	}
	setPointer(&s.Spec.PersistentVolumeClaimRetentionPolicy, appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{})
	setDefault(&s.Spec.PersistentVolumeClaimRetentionPolicy.WhenDeleted, appsv1.RetainPersistentVolumeClaimRetentionPolicyType)
	setDefault(&s.Spec.PersistentVolumeClaimRetentionPolicy.WhenScaled, appsv1.RetainPersistentVolumeClaimRetentionPolicyType)
	defaultTemplate(&s.Spec.Template)
	for i := range s.Spec.VolumeClaimTemplates {
		claim := &s.Spec.VolumeClaimTemplates[i]
		claim.TypeMeta = Claims.TypeMeta()
		defaultClaim(claim)
	}
}

func defaultDaemonSet(d *appsv1.DaemonSet) {
	setPointer(&d.Spec.RevisionHistoryLimit, 10)
	setDefault(&d.Spec.UpdateStrategy.Type, appsv1.RollingUpdateDaemonSetStrategyType)
	if d.Spec.UpdateStrategy.Type == appsv1.RollingUpdateDaemonSetStrategyType {
		setPointer(&d.Spec.UpdateStrategy.RollingUpdate, appsv1.RollingUpdateDaemonSet{})
		setPointer(&d.Spec.UpdateStrategy.RollingUpdate.MaxUnavailable, intstr.FromInt32(1))
		setPointer(&d.Spec.UpdateStrategy.RollingUpdate.MaxSurge, intstr.FromInt32(0))
	}
	defaultTemplate(&d.Spec.Template)
}

// validateTemplate is about a template of Pods.
func validateTemplate(o Object, features Features) field.ErrorList {
	template, path := Template(o)
	metadata := path.Child("metadata")
	errs := metav1validation.ValidateLabels(template.Labels, metadata.Child("labels"))
	errs = append(errs, apivalidation.ValidateAnnotations(template.Annotations, metadata.Child("annotations"))...)
	_, _, wrong := bandwidth(&template.ObjectMeta, metadata)
	errs = append(errs, wrong...)
	errs = append(errs, validateSpec(&template.Spec, path.Child("spec"))...)
	errs = append(errs, validateHostPorts(&template.Spec, features, path.Child("spec"))...)
	if len(template.Spec.EphemeralContainers) > 0 {
		errs = append(errs, field.Forbidden(path.Child("spec", "ephemeralContainers"), "ephemeral containers not allowed in pod template"))
	}
	return append(errs, unsupported(templateFindings(o, features))...)
}

// validateRunning is about Pods that are always to run; kind is what makes them, in the words of Kubernetes.
func validateRunning(o Object, kind string, features Features) field.ErrorList {
	template, path := Template(o)
	spec := path.Child("spec")
	errs := validateTemplate(o, features)
	if p := template.Spec.RestartPolicy; p != corev1.RestartPolicyAlways {
		errs = append(errs, field.NotSupported(spec.Child("restartPolicy"), p, []corev1.RestartPolicy{corev1.RestartPolicyAlways}))
	}
	if template.Spec.ActiveDeadlineSeconds != nil {
		errs = append(errs, field.Forbidden(spec.Child("activeDeadlineSeconds"), "activeDeadlineSeconds in "+kind+" is not Supported"))
	}
	return errs
}

// validateSelector wants a selector that takes the Pods of the template.
func validateSelector(o Object, selector *metav1.LabelSelector, kind string) field.ErrorList {
	path := field.NewPath("spec", "selector")
	if selector == nil {
		return field.ErrorList{field.Required(path, "")}
	}
	errs := metav1validation.ValidateLabelSelector(selector, metav1validation.LabelSelectorValidationOptions{}, path)
	if len(selector.MatchLabels)+len(selector.MatchExpressions) == 0 {
		errs = append(errs, field.Invalid(path, selector, "empty selector is invalid for "+kind))
	}
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return append(errs, field.Invalid(path, selector, "invalid label selector"))
	}
	if template, at := Template(o); !parsed.Empty() && !parsed.Matches(labels.Set(template.Labels)) {
		errs = append(errs, field.Invalid(at.Child("metadata", "labels"), template.Labels, "`selector` does not match template `labels`"))
	}
	return errs
}

func notNegative(errs field.ErrorList, path *field.Path, values ...any) field.ErrorList {
	for i := 0; i < len(values); i += 2 {
		var n int64
		switch v := values[i+1].(type) {
		case int32:
			n = int64(v)
		case *int32:
			if v != nil {
				n = int64(*v)
			}
		case *int64:
			if v != nil {
				n = *v
			}
		}
		errs = append(errs, apivalidation.ValidateNonnegativeField(n, path.Child(values[i].(string)))...)
	}
	return errs
}

func validateDeployment(d *appsv1.Deployment, f Features) field.ErrorList {
	path := field.NewPath("spec")
	errs := notNegative(validateMetadata(&d.ObjectMeta), path, "replicas", d.Spec.Replicas)
	errs = append(errs, validateSelector(d, d.Spec.Selector, "deployment")...)
	errs = append(errs, validateRunning(d, "ReplicaSet", f)...)
	errs = append(errs, validateStrategy(&d.Spec.Strategy, path.Child("strategy"))...)
	errs = notNegative(errs, path, "minReadySeconds", d.Spec.MinReadySeconds, "revisionHistoryLimit", d.Spec.RevisionHistoryLimit,
		"progressDeadlineSeconds", d.Spec.ProgressDeadlineSeconds)
	if p := d.Spec.ProgressDeadlineSeconds; p != nil && *p <= d.Spec.MinReadySeconds {
		errs = append(errs, field.Invalid(path.Child("progressDeadlineSeconds"), *p, "must be greater than minReadySeconds"))
	}
	return errs
}

func validateStrategy(s *appsv1.DeploymentStrategy, path *field.Path) field.ErrorList {
	rolling := path.Child("rollingUpdate")
	switch {
	case s.Type == appsv1.RecreateDeploymentStrategyType && s.RollingUpdate != nil:
		return field.ErrorList{field.Forbidden(rolling, "may not be specified when strategy `type` is 'Recreate'")}
	case s.Type == appsv1.RollingUpdateDeploymentStrategyType && s.RollingUpdate != nil:
		errs := validateAmount(s.RollingUpdate.MaxUnavailable, rolling.Child("maxUnavailable"))
		errs = append(errs, validateAmount(s.RollingUpdate.MaxSurge, rolling.Child("maxSurge"))...)
		if isNone(s.RollingUpdate.MaxUnavailable) && isNone(s.RollingUpdate.MaxSurge) {
			errs = append(errs, field.Invalid(rolling.Child("maxUnavailable"), s.RollingUpdate.MaxUnavailable, "may not be 0 when `maxSurge` is 0"))
		}
		return errs
	}
	return oneOf(path, s.Type, appsv1.RecreateDeploymentStrategyType, appsv1.RollingUpdateDeploymentStrategyType)
}

func isNone(amount *intstr.IntOrString) bool {
	return amount != nil && (amount.Type == intstr.Int && amount.IntVal == 0 || amount.Type == intstr.String && percent(amount.StrVal) == 0)
}

// percent reads 25%; -1 if it is none.
func percent(text string) int {
	n, err := strconv.Atoi(strings.TrimSuffix(text, "%"))
	if err != nil {
		return -1
	}
	return n
}

func validateAmount(amount *intstr.IntOrString, path *field.Path) field.ErrorList {
	switch {
	case amount == nil:
		return nil
	case amount.Type == intstr.Int:
		return apivalidation.ValidateNonnegativeField(int64(amount.IntVal), path)
	}
	errs := invalid(path, amount, validation.IsValidPercent(amount.StrVal))
	if len(errs) == 0 && percent(amount.StrVal) > 100 && strings.HasSuffix(path.String(), "maxUnavailable") {
		errs = append(errs, field.Invalid(path, amount, "must not be greater than 100%"))
	}
	return errs
}

func validateDeploymentUpdate(d, old *appsv1.Deployment) field.ErrorList {
	errs := validateMetadataUpdate(&d.ObjectMeta, &old.ObjectMeta)
	return append(errs, apivalidation.ValidateImmutableField(d.Spec.Selector, old.Spec.Selector, field.NewPath("spec", "selector"))...)
}

func validateReplicaSet(r *appsv1.ReplicaSet, f Features) field.ErrorList {
	errs := notNegative(validateMetadata(&r.ObjectMeta), field.NewPath("spec"), "replicas", r.Spec.Replicas, "minReadySeconds", r.Spec.MinReadySeconds)
	errs = append(errs, validateSelector(r, r.Spec.Selector, "deployment")...) // the words of Kubernetes
	return append(errs, validateRunning(r, "ReplicaSet", f)...)
}

func validateReplicaSetUpdate(r, old *appsv1.ReplicaSet) field.ErrorList {
	errs := validateMetadataUpdate(&r.ObjectMeta, &old.ObjectMeta)
	return append(errs, apivalidation.ValidateImmutableField(r.Spec.Selector, old.Spec.Selector, field.NewPath("spec", "selector"))...)
}

func validateStatefulSet(s *appsv1.StatefulSet, f Features) field.ErrorList {
	path := field.NewPath("spec")
	errs := notNegative(validateMetadata(&s.ObjectMeta), path, "replicas", s.Spec.Replicas, "minReadySeconds", s.Spec.MinReadySeconds)
	if s.Spec.Ordinals != nil {
		errs = notNegative(errs, path.Child("ordinals"), "start", s.Spec.Ordinals.Start)
	}
	switch s.Spec.PodManagementPolicy {
	case appsv1.OrderedReadyPodManagement, appsv1.ParallelPodManagement:
	default:
		errs = append(errs, field.Invalid(path.Child("podManagementPolicy"), s.Spec.PodManagementPolicy, "must be 'OrderedReady' or 'Parallel'"))
	}
	switch s.Spec.UpdateStrategy.Type {
	case appsv1.RollingUpdateStatefulSetStrategyType, appsv1.OnDeleteStatefulSetStrategyType:
	default:
		errs = append(errs, field.Invalid(path.Child("updateStrategy"), s.Spec.UpdateStrategy, "must be 'RollingUpdate' or 'OnDelete'"))
	}
	for i := range s.Spec.VolumeClaimTemplates {
		claim, at := &s.Spec.VolumeClaimTemplates[i], path.Child("volumeClaimTemplates").Index(i)
		errs = append(errs, invalid(at.Child("metadata", "name"), claim.Name, validation.IsDNS1123Label(claim.Name))...)
		errs = append(errs, validateClaimSpec(&claim.Spec, at.Child("spec"))...)
	}
	errs = append(errs, validateSelector(s, s.Spec.Selector, "statefulset")...)
	return append(errs, validateRunning(s, "StatefulSet", f)...)
}

func validateStatefulSetUpdate(s, old *appsv1.StatefulSet) field.ErrorList {
	path := field.NewPath("spec")
	errs := validateMetadataUpdate(&s.ObjectMeta, &old.ObjectMeta)
	errs = append(errs, apivalidation.ValidateImmutableField(s.Spec.Selector, old.Spec.Selector, path.Child("selector"))...)
	errs = append(errs, apivalidation.ValidateImmutableField(s.Spec.VolumeClaimTemplates, old.Spec.VolumeClaimTemplates, path.Child("volumeClaimTemplates"))...)
	errs = append(errs, apivalidation.ValidateImmutableField(s.Spec.ServiceName, old.Spec.ServiceName, path.Child("serviceName"))...)
	return append(errs, apivalidation.ValidateImmutableField(s.Spec.PodManagementPolicy, old.Spec.PodManagementPolicy, path.Child("podManagementPolicy"))...)
}

func validateDaemonSet(d *appsv1.DaemonSet, f Features) field.ErrorList {
	path := field.NewPath("spec")
	errs := notNegative(validateMetadata(&d.ObjectMeta), path, "minReadySeconds", d.Spec.MinReadySeconds, "revisionHistoryLimit", d.Spec.RevisionHistoryLimit)
	errs = append(errs, oneOf(path.Child("updateStrategy"), d.Spec.UpdateStrategy.Type,
		appsv1.OnDeleteDaemonSetStrategyType, appsv1.RollingUpdateDaemonSetStrategyType)...)
	errs = append(errs, validateSelector(d, d.Spec.Selector, "daemonset")...)
	return append(errs, validateRunning(d, "DaemonSet", f)...)
}

func validateDaemonSetUpdate(d, old *appsv1.DaemonSet) field.ErrorList {
	errs := validateMetadataUpdate(&d.ObjectMeta, &old.ObjectMeta)
	return append(errs, apivalidation.ValidateImmutableField(d.Spec.Selector, old.Spec.Selector, field.NewPath("spec", "selector"))...)
}
