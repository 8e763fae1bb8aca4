package kube

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

func TestContainerRequests(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	asks := func(sidecar bool, pairs ...string) corev1.Container {
		c := corev1.Container{Resources: corev1.ResourceRequirements{Requests: limits(pairs...).Limits}}
		if sidecar {
			c.RestartPolicy = &always
		}
		return c
	}
	for name, test := range map[string]struct {
		init, regular []corev1.Container
		want          corev1.ResourceList
	}{
		"sum":                   {nil, []corev1.Container{asks(false, "cpu", "1", "memory", "1Gi"), asks(false, "cpu", "2")}, limits("cpu", "3", "memory", "1Gi").Limits},
		"one after another":     {[]corev1.Container{asks(false, "cpu", "4"), asks(false, "cpu", "5", "memory", "1")}, []corev1.Container{asks(false, "cpu", "2")}, limits("cpu", "5", "memory", "1").Limits},
		"beside the sidecars":   {[]corev1.Container{asks(true, "cpu", "1"), asks(false, "cpu", "4")}, []corev1.Container{asks(false, "cpu", "2")}, limits("cpu", "5").Limits},
		"sidecars go on":        {[]corev1.Container{asks(false, "cpu", "2"), asks(true, "cpu", "1")}, []corev1.Container{asks(false, "cpu", "2")}, limits("cpu", "3").Limits},
		"before the sidecar is": {[]corev1.Container{asks(false, "cpu", "4"), asks(true, "cpu", "1")}, []corev1.Container{asks(false, "cpu", "2")}, limits("cpu", "4").Limits},
	} {
		if got := containerRequests(&corev1.PodSpec{InitContainers: test.init, Containers: test.regular}); !equality.Semantic.DeepEqual(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestPodResources(t *testing.T) {
	whole := limits("cpu", "2", "memory", "1Gi")
	pod := &corev1.Pod{Spec: corev1.PodSpec{Resources: &whole, Containers: []corev1.Container{
		{Name: "a", Resources: limits("memory", "256Mi")}, {Name: "b"},
	}}}
	Default(pod)
	if want := limits("cpu", "2", "memory", "256Mi").Limits; !equality.Semantic.DeepEqual(pod.Spec.Resources.Requests, want) {
		t.Errorf("requests %v, want %v", pod.Spec.Resources.Requests, want)
	}
	for i, want := range []int64{256 << 20, 1 << 30} {
		if got := Limit(pod, &pod.Spec.Containers[i], corev1.ResourceMemory); got != want {
			t.Errorf("memory of container %d: %d, want %d", i, got, want)
		}
		if got := Limit(pod, &pod.Spec.Containers[i], corev1.ResourceCPU); got != 2000 {
			t.Errorf("CPU of container %d: %d", i, got)
		}
	}
	if got := QOS(pod); got != corev1.PodQOSBurstable {
		t.Errorf("class %s", got)
	}
	pod.Spec.Resources.Requests = whole.Limits
	if got := QOS(pod); got != corev1.PodQOSGuaranteed {
		t.Errorf("class with requests as limits: %s", got)
	}
	node := Node{Allocatable: limits("cpu", "8", "memory", "16Gi").Limits}
	for resource, want := range map[string]string{"limits.memory": "1073741824", "limits.cpu": "2", "requests.cpu": "0"} {
		if got, err := ResourceValue(pod, &pod.Spec.Containers[1], &corev1.ResourceFieldSelector{Resource: resource}, node); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", resource, got, err, want)
		}
	}
}

func TestStorageLimit(t *testing.T) {
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{}, {Resources: limits("cpu", "1")}}}}
	if got := StorageLimit(pod); !got.IsZero() {
		t.Errorf("without limits: %s", got.String())
	}
	pod.Spec.Containers[0].Resources, pod.Spec.Containers[1].Resources = limits("ephemeral-storage", "1Gi"), limits("ephemeral-storage", "2Gi")
	pod.Spec.InitContainers = []corev1.Container{{Resources: limits("ephemeral-storage", "2Gi")}}
	if got := StorageLimit(pod); got.String() != "3Gi" {
		t.Errorf("with limits: %s", got.String())
	}
}

// TestLimitsWithoutCgroups: of resources only those of the disk count without.
func TestLimitsWithoutCgroups(t *testing.T) {
	for _, test := range []struct {
		resources corev1.ResourceRequirements
		want      int
	}{{limits("ephemeral-storage", "1Gi"), 0}, {limits("ephemeral-storage", "1Gi", "cpu", "1"), 1}} {
		pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "x", Resources: test.resources}}}}
		Default(pod)
		if got := WithoutEffect(pod, Features{}); len(got) != test.want {
			t.Errorf("%v: %q", test.resources.Limits, got)
		}
		if got := WithoutEffect(pod, Features{Cgroups: true}); len(got) != 0 {
			t.Errorf("%v, with cgroups: %q", test.resources.Limits, got)
		}
	}
}
