package kube

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

func TestOOMScoreAdj(t *testing.T) {
	const capacity = 8 << 30
	for _, c := range []struct {
		name             string
		requests, limits string // of memory; of CPU too if both are given
		want             int
	}{
		{"best effort", "", "", 1000},
		{"guaranteed", "1Gi", "1Gi", -997},
		{"a quarter", "2Gi", "", 750},
		{"next to nothing", "1", "", 999},
		{"more than there is", "16Gi", "", 3},
	} {
		container := corev1.Container{Name: "c"}
		set := func(list *corev1.ResourceList, memory string) {
			if memory != "" {
				*list = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memory)}
				if c.limits != "" {
					(*list)[corev1.ResourceCPU] = resource.MustParse("1")
				}
			}
		}
		set(&container.Resources.Requests, c.requests)
		set(&container.Resources.Limits, c.limits)
		pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{container}}}
		if got := OOMScoreAdj(pod, &container, capacity); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// TestOOMScoreAdjOfPods shares out what a Pod asks for beyond its containers.
func TestOOMScoreAdjOfPods(t *testing.T) {
	requests := func(memory string) corev1.ResourceRequirements {
		return corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memory)}}
	}
	whole := requests("4Gi")
	pod := &corev1.Pod{Spec: corev1.PodSpec{Resources: &whole, Containers: []corev1.Container{{Resources: requests("2Gi")}, {}}}}
	for i, want := range []int{625, 875} { // 2+1 and 0+1 of 8
		if got := OOMScoreAdj(pod, &pod.Spec.Containers[i], 8<<30); got != want {
			t.Errorf("container %d: %d, want %d", i, got, want)
		}
	}
}
