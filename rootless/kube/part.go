package kube

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Part is a part of a stored Pod that is changed at an address of its own, a subresource, and nowhere else.
type Part struct {
	Name string // as in a path
	// Take gives a Pod the part of another.
	Take func(to, from *corev1.Pod)
	// validateUpdate returns what is wrong with the change from old, besides what is wrong with the Pod.
	validateUpdate func(pod, old *corev1.Pod) field.ErrorList
}

// Validate returns what is wrong with changing old, a stored Pod, to pod. Both have been through Default.
func (p *Part) Validate(pod, old *corev1.Pod, features Features) field.ErrorList {
	errs := p.validateUpdate(pod, old)
	errs = append(errs, validateSpec(&pod.Spec, field.NewPath("spec"))...)
	return append(errs, unsupported(findings(pod, features))...)
}

// Parts are all there are.
var Parts = []*Part{
	{
		Name:           "ephemeralcontainers",
		Take:           func(to, from *corev1.Pod) { to.Spec.EphemeralContainers = from.Spec.EphemeralContainers },
		validateUpdate: validateEphemeralUpdate,
	},
	{Name: "resize", Take: takeResources, validateUpdate: validateResize},
}
