package kube

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ReplicationControllers is the kind ReplicationController: what ReplicaSets were before there were Deployments.
var ReplicationControllers = define(Kind{Name: "ReplicationController", Resource: "replicationcontrollers"}, rules[*corev1.ReplicationController]{
	empty:       func() *corev1.ReplicationController { return &corev1.ReplicationController{} },
	setDefaults: defaultReplicationController, validate: validateReplicationController,
	validateUpdate: func(applied, stored *corev1.ReplicationController) field.ErrorList {
		return validateMetadataUpdate(&applied.ObjectMeta, &stored.ObjectMeta)
	},
})

// defaultReplicationController: labels and selector are those of the template, if the manifest has none.
func defaultReplicationController(r *corev1.ReplicationController) {
	setPointer(&r.Spec.Replicas, 1)
	if r.Spec.Template == nil {
		return
	}
	if len(r.Spec.Selector) == 0 {
		r.Spec.Selector = maps.Clone(r.Spec.Template.Labels)
	}
	if len(r.Labels) == 0 {
		r.Labels = maps.Clone(r.Spec.Template.Labels)
	}
	defaultTemplate(r.Spec.Template)
}

// validateReplicationController follows kubernetes/pkg/apis/core/validation, ValidateReplicationControllerSpec.
func validateReplicationController(r *corev1.ReplicationController, f Features) field.ErrorList {
	path := field.NewPath("spec")
	errs := notNegative(validateMetadata(&r.ObjectMeta), path, "replicas", r.Spec.Replicas, "minReadySeconds", r.Spec.MinReadySeconds)
	if len(r.Spec.Selector) == 0 {
		errs = append(errs, field.Required(path.Child("selector"), ""))
	}
	if r.Spec.Template == nil {
		return append(errs, field.Required(path.Child("template"), ""))
	}
	if s := labels.SelectorFromSet(r.Spec.Selector); !s.Empty() && !s.Matches(labels.Set(r.Spec.Template.Labels)) {
		errs = append(errs, field.Invalid(path.Child("template", "metadata", "labels"), r.Spec.Template.Labels, "`selector` does not match template `labels`"))
	}
	return append(errs, validateRunning(r, "ReplicationController", f)...)
}

// selectorOf is a selector by labels alone as the newer kind of selector.
func selectorOf(r *corev1.ReplicationController) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: r.Spec.Selector}
}
