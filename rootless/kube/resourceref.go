package kube

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ResourceValue is what a resourceFieldRef refers to: a limit or request of the container, or of the one that it names, in units of the divisor, rounded
// up. Where there is no limit it is the Pod's, or else what the node has.
func ResourceValue(pod *corev1.Pod, container *corev1.Container, ref *corev1.ResourceFieldSelector, node Node) (string, error) {
	if ref.ContainerName != "" && ref.ContainerName != container.Name {
		if container = containerNamed(pod, ref.ContainerName); container == nil {
			return "", fmt.Errorf("container %s not found", ref.ContainerName)
		}
	}
	which, name, _ := strings.Cut(ref.Resource, ".")
	list := container.Resources.Requests
	if which == "limits" {
		list = container.Resources.Limits
	}
	quantity, ok := list[corev1.ResourceName(name)]
	if which == "limits" && (!ok || quantity.IsZero()) {
		quantity = node.Allocatable[corev1.ResourceName(name)]
		if whole := podResources(pod); whole != nil {
			if limit := whole.Limits[corev1.ResourceName(name)]; !limit.IsZero() {
				quantity = limit
			}
		}
	}
	divisor := ref.Divisor
	if divisor.IsZero() {
		divisor = resource.MustParse("1")
	}
	if corev1.ResourceName(name) == corev1.ResourceCPU {
		return quotient(quantity.MilliValue(), divisor.MilliValue()), nil
	}
	return quotient(quantity.Value(), divisor.Value()), nil
}

// quotient is a/b, rounded up.
func quotient(a, b int64) string {
	q := a / b
	if a%b > 0 {
		q++
	}
	return strconv.FormatInt(q, 10)
}

func containerNamed(pod *corev1.Pod, name string) *corev1.Container {
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			if containers[i].Name == name {
				return &containers[i]
			}
		}
	}
	return nil
}

// The fields that a variable can be taken from, apart from hugepages of a size; and the divisors of each resource (kubernetes/pkg/apis/core/validation).
var (
	envResources  = []string{"limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"}
	cpuDivisors   = []string{"1m", "1"}
	bytesDivisors = []string{"1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"}
)

func validateResourceRef(ref *corev1.ResourceFieldSelector, path *field.Path) field.ErrorList {
	at := path.Child("resource")
	_, name, _ := strings.Cut(ref.Resource, ".")
	huge := strings.HasPrefix(ref.Resource, "limits."+corev1.ResourceHugePagesPrefix) || strings.HasPrefix(ref.Resource, "requests."+corev1.ResourceHugePagesPrefix)
	switch {
	case ref.Resource == "":
		return field.ErrorList{field.Required(at, "")}
	case !huge && !slices.Contains(envResources, ref.Resource):
		return field.ErrorList{field.NotSupported(at, ref.Resource, envResources)}
	case ref.Divisor.IsZero():
		return nil
	}
	divisors, words := bytesDivisors, name
	switch {
	case name == "cpu":
		divisors = cpuDivisors
	case huge:
		words = "hugepages"
	case name == "ephemeral-storage":
		words = "local ephemeral storage"
	}
	if slices.Contains(divisors, ref.Divisor.String()) {
		return nil
	}
	list := "1m and 1"
	if len(divisors) > 2 {
		list = strings.Join(divisors, ", ")
	}
	return field.ErrorList{field.Invalid(path.Child("divisor"), ref.Resource,
		fmt.Sprintf("only divisor's values %s are supported with the %s resource", list, words))}
}
