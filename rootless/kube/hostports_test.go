package kube

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func TestHostPorts(t *testing.T) {
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{
		{Ports: []corev1.ContainerPort{{ContainerPort: 80, HostPort: 8080, Protocol: corev1.ProtocolTCP}, {ContainerPort: 81, Protocol: corev1.ProtocolTCP}}},
		{Ports: []corev1.ContainerPort{{ContainerPort: 53, HostPort: 5353, HostIP: "127.0.0.1", Protocol: corev1.ProtocolUDP}}},
	}}}
	got := HostPorts(pod)
	if len(got) != 2 || got[0].IP.IsValid() || got[0].Port != 8080 || got[0].Target != 80 || got[1].IP.String() != "127.0.0.1" {
		t.Errorf("got %+v", got)
	}
	pod.Spec.HostNetwork = true
	if got := HostPorts(pod); got != nil {
		t.Errorf("in the host's network: %+v", got)
	}
	path := field.NewPath("spec", "containers")
	errs := validateHostPorts(&pod.Spec, Features{}, path)
	if len(errs) != 3 || errs[0].Error() != "spec.containers[0].ports[0].hostPort: Invalid value: 8080: must match `containerPort` when `hostNetwork` is true" {
		t.Errorf("got %v", errs)
	}
}
