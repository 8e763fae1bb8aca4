package kube

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Resources of a Pod that runs change at an address of their own. What may change is the kubelet's to give: CPU and memory.

// takeResources takes what a resize is about. Other containers than there are come along, for validateResize to see.
func takeResources(to, from *corev1.Pod) {
	to.Spec.InitContainers = withResources(to.Spec.InitContainers, from.Spec.InitContainers)
	to.Spec.Containers = withResources(to.Spec.Containers, from.Spec.Containers)
	if from.Spec.Resources != nil {
		to.Spec.Resources = from.Spec.Resources
	}
}

func withResources(to, from []corev1.Container) []corev1.Container {
	if !slices.EqualFunc(to, from, func(a, b corev1.Container) bool { return a.Name == b.Name }) {
		return from
	}
	for i := range to {
		to[i].Resources, to[i].ResizePolicy = from[i].Resources, from[i].ResizePolicy
	}
	return to
}

// validateResize follows kubernetes/pkg/apis/core/validation, ValidatePodResize.
func validateResize(pod, old *corev1.Pod) field.ErrorList {
	path := field.NewPath("spec")
	errs := sameContainers(pod.Spec.Containers, old.Spec.Containers, path.Child("containers"), "containers")
	errs = append(errs, sameContainers(pod.Spec.InitContainers, old.Spec.InitContainers, path.Child("initContainers"), "initContainers")...)
	if len(errs) > 0 {
		return errs
	}
	if QOS(pod) != QOS(old) {
		errs = append(errs, field.Invalid(path, QOS(pod), "Pod QOS Class may not change as a result of resizing"))
	}
	if before := old.Spec.Resources; before != nil {
		errs = append(errs, nothingRemoved(pod.Spec.Resources, before, path.Child("resources"), "pod-level resource")...)
		if othersDiffer(pod.Spec.Resources, before) {
			errs = append(errs, field.Forbidden(path, "only cpu and memory resources are mutable at pod-level"))
		}
	}
	for i := range old.Spec.InitContainers {
		before, after := &old.Spec.InitContainers[i], &pod.Spec.InitContainers[i]
		if !IsSidecar(before) && !equality.Semantic.DeepEqual(before, after) {
			errs = append(errs, field.Forbidden(path, "resources for non-sidecar init containers are immutable"))
			continue
		}
		errs = append(errs, validateContainerResize(after, before, path, path.Child("initContainers").Index(i))...)
	}
	for i := range old.Spec.Containers {
		errs = append(errs, validateContainerResize(&pod.Spec.Containers[i], &old.Spec.Containers[i], path, path.Child("containers").Index(i))...)
	}
	return errs
}

func sameContainers(containers, old []corev1.Container, path *field.Path, list string) field.ErrorList {
	if len(containers) != len(old) {
		return field.ErrorList{field.Forbidden(path, list+" may not be added or removed on resize")}
	}
	var errs field.ErrorList
	for i := range old {
		if containers[i].Name != old[i].Name {
			errs = append(errs, field.Forbidden(path.Index(i).Child("name"), list+" may not be renamed or reordered on resize"))
		}
	}
	return errs
}

func validateContainerResize(c, old *corev1.Container, spec, path *field.Path) field.ErrorList {
	errs := nothingRemoved(&c.Resources, &old.Resources, path.Child("resources"), "resource")
	if othersDiffer(&c.Resources, &old.Resources) {
		errs = append(errs, field.Forbidden(spec, "only cpu and memory resources are mutable"))
	}
	return errs
}

func nothingRemoved(r, old *corev1.ResourceRequirements, path *field.Path, what string) field.ErrorList {
	var errs field.ErrorList
	if loses(r.Requests, old.Requests) {
		errs = append(errs, field.Forbidden(path.Child("requests"), what+" requests cannot be removed"))
	}
	if loses(r.Limits, old.Limits) {
		errs = append(errs, field.Forbidden(path.Child("limits"), what+" limits cannot be removed"))
	}
	return errs
}

func loses(list, old corev1.ResourceList) bool {
	for name := range old {
		if _, ok := list[name]; !ok {
			return true
		}
	}
	return false
}

// othersDiffer compares what is neither CPU nor memory.
func othersDiffer(r, old *corev1.ResourceRequirements) bool {
	return !equality.Semantic.DeepEqual(others(r.Limits), others(old.Limits)) || !equality.Semantic.DeepEqual(others(r.Requests), others(old.Requests)) ||
		!equality.Semantic.DeepEqual(r.Claims, old.Claims)
}

func others(list corev1.ResourceList) corev1.ResourceList {
	rest := list.DeepCopy()
	delete(rest, corev1.ResourceCPU)
	delete(rest, corev1.ResourceMemory)
	if len(rest) == 0 {
		return nil
	}
	return rest
}

var (
	resizedResources = []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory}
	resizePolicies   = []corev1.ResourceResizeRestartPolicy{corev1.NotRequired, corev1.RestartContainer}
)

// validateResizePolicy is about a container of a Pod with that restart policy.
func validateResizePolicy(policies []corev1.ContainerResizePolicy, restart corev1.RestartPolicy, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	seen := map[corev1.ResourceName]bool{}
	for i, p := range policies {
		if seen[p.ResourceName] {
			errs = append(errs, field.Duplicate(path.Index(i), p.ResourceName))
		}
		seen[p.ResourceName] = true
		errs = append(errs, oneOf(path, p.ResourceName, resizedResources...)...)
		errs = append(errs, oneOf(path, p.RestartPolicy, resizePolicies...)...)
		if restart == corev1.RestartPolicyNever && p.RestartPolicy != corev1.NotRequired {
			errs = append(errs, field.Invalid(path, p.RestartPolicy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'"))
		}
	}
	return errs
}
