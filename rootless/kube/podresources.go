package kube

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Resources of a Pod as a whole bound what its containers have together. Where a container says nothing itself they are its own bounds, too.

// podResources are those of the Pod as a whole; nil if it has none.
func podResources(pod *corev1.Pod) *corev1.ResourceRequirements {
	if r := pod.Spec.Resources; r != nil && len(r.Limits)+len(r.Requests) > 0 {
		return r
	}
	return nil
}

// Limit is how much of a resource a container may use: its own limit, else the Pod's; zero if there is none.
func Limit(pod *corev1.Pod, c *corev1.Container, name corev1.ResourceName) int64 {
	limit := c.Resources.Limits[name]
	if r := podResources(pod); limit.IsZero() && r != nil {
		limit = r.Limits[name]
	}
	if name == corev1.ResourceCPU {
		return limit.MilliValue()
	}
	return limit.Value()
}

func forWholePods(name corev1.ResourceName) bool {
	return name == corev1.ResourceCPU || name == corev1.ResourceMemory || isHugePages(name)
}

func isHugePages(name corev1.ResourceName) bool {
	return strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix)
}

// defaultPodRequests asks, where a Pod has limits, for as much as its containers do, or else for what it is allowed
// (kubernetes/pkg/apis/core/v1/defaults.go, defaultPodRequests).
func defaultPodRequests(pod *corev1.Pod) {
	r := pod.Spec.Resources
	if r == nil || len(r.Limits) == 0 {
		return
	}
	wanted := containerRequests(&pod.Spec)
	for name := range wanted {
		if !forWholePods(name) || isHugePages(name) {
			delete(wanted, name)
		}
	}
	for name, limit := range r.Limits {
		if _, ok := wanted[name]; !ok && forWholePods(name) {
			wanted[name] = limit.DeepCopy()
		}
	}
	for name, request := range r.Requests {
		wanted[name] = request
	}
	if len(wanted) > 0 {
		r.Requests = wanted
	}
}

// containerRequests are the most that a Pod's containers ask for at a time.
func containerRequests(spec *corev1.PodSpec) corev1.ResourceList {
	return together(spec, func(c *corev1.Container) corev1.ResourceList { return c.Resources.Requests })
}

// StorageLimit is how much of the disk a Pod may use: what its containers may together; 0 if none has a limit.
func StorageLimit(pod *corev1.Pod) resource.Quantity {
	return together(&pod.Spec, func(c *corev1.Container) corev1.ResourceList { return c.Resources.Limits })[corev1.ResourceEphemeralStorage]
}

// together is the most that containers have at a time: init containers run one after another, beside the sidecars before them
// (k8s.io/component-helpers/resource, AggregateContainerRequests).
func together(spec *corev1.PodSpec, of func(*corev1.Container) corev1.ResourceList) corev1.ResourceList {
	sum, most := corev1.ResourceList{}, corev1.ResourceList{}
	for i := range spec.Containers {
		add(sum, of(&spec.Containers[i]))
	}
	sidecars := corev1.ResourceList{}
	for i := range spec.InitContainers {
		c := &spec.InitContainers[i]
		now := sidecars.DeepCopy()
		add(now, of(c))
		if IsSidecar(c) {
			add(sum, of(c))
			sidecars = now
		}
		for name, quantity := range now {
			if before := most[name]; quantity.Cmp(before) > 0 {
				most[name] = quantity.DeepCopy()
			}
		}
	}
	for name, quantity := range most {
		if all, ok := sum[name]; !ok || quantity.Cmp(all) > 0 {
			sum[name] = quantity
		}
	}
	return sum
}

func add(to, what corev1.ResourceList) {
	for name, quantity := range what {
		all := to[name].DeepCopy()
		all.Add(quantity)
		to[name] = all
	}
}

// validatePodResources follows kubernetes/pkg/apis/core/validation, validatePodResources.
func validatePodResources(spec *corev1.PodSpec, path *field.Path) field.ErrorList {
	r := spec.Resources
	if r == nil {
		return nil
	}
	var errs field.ErrorList
	if r.Claims != nil {
		errs = append(errs, field.Forbidden(path.Child("claims"), "claims may not be set for Resources at pod-level"))
	}
	errs = append(errs, validateRequirements(r, validatePodResourceName, path)...)
	all := containerRequests(spec)
	for _, name := range sortedNames(all) {
		asked, sum := r.Requests[name], all[name]
		if _, ok := r.Requests[name]; ok && sum.Cmp(asked) > 0 {
			errs = append(errs, field.Invalid(path.Child("requests").Key(string(name)), asked.String(),
				"must be greater than or equal to aggregate container requests of "+sum.String()))
		}
	}
	for i := range spec.Containers {
		limits := spec.Containers[i].Resources.Limits
		for _, name := range sortedNames(limits) {
			most, limit := r.Limits[name], limits[name]
			if _, ok := r.Limits[name]; ok && limit.Cmp(most) > 0 {
				errs = append(errs, field.Invalid(path.Child("containers").Index(i).Key(string(name)).Child("limits"), limit.String(),
					"must be less than or equal to pod limits of "+most.String()))
			}
		}
	}
	return errs
}

func validatePodResourceName(name string, path *field.Path) field.ErrorList {
	if messages := validation.IsQualifiedName(name); len(messages) > 0 {
		return invalid(path, name, messages)
	}
	if !forWholePods(corev1.ResourceName(name)) {
		return field.ErrorList{field.NotSupported(path, name, []string{"cpu", "hugepages-", "memory"})}
	}
	return nil
}

// validateRequirements is about limits and requests, of a container or a Pod.
func validateRequirements(r *corev1.ResourceRequirements, nameIsValid func(string, *field.Path) field.ErrorList, path *field.Path) field.ErrorList {
	errs := validateQuantities(r.Limits, nameIsValid, path.Child("limits"))
	errs = append(errs, validateQuantities(r.Requests, nameIsValid, path.Child("requests"))...)
	for _, name := range sortedNames(r.Requests) {
		request := r.Requests[name]
		if limit, ok := r.Limits[name]; ok && request.Cmp(limit) > 0 {
			errs = append(errs, field.Invalid(path.Child("requests"), request.String(),
				fmt.Sprintf("must be less than or equal to %s limit of %s", name, limit.String())))
		}
	}
	return errs
}
