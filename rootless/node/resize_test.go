package node

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/peapod/peapod/rootless/cgroup"
)

// TestLimits: a container without limits has those of its Pod.
func TestLimits(t *testing.T) {
	list := func(cpu, memory string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
	}
	pod := &corev1.Pod{Spec: corev1.PodSpec{
		Resources: &corev1.ResourceRequirements{Limits: list("2", "1Gi"), Requests: list("1", "1Gi")},
		Containers: []corev1.Container{
			{Name: "a", Resources: corev1.ResourceRequirements{Limits: list("500m", "64Mi"), Requests: list("250m", "64Mi")}}, {Name: "b"},
		},
	}}
	for i, want := range []cgroup.Limits{{CPU: 500, CPURequest: 250, Memory: 64 << 20}, {CPU: 2000, Memory: 1 << 30}} {
		if got := limits(pod, &pod.Spec.Containers[i]); got != want {
			t.Errorf("container %d: %+v, want %+v", i, got, want)
		}
	}
	n := &Node{cgroups: &cgroup.Manager{}}
	if got, want := n.podLimits(pod), (cgroup.Limits{CPU: 2000, CPURequest: 1000, Memory: 1 << 30}); got != want {
		t.Errorf("Pod: %+v, want %+v", got, want)
	}
}
