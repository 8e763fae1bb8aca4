package kube

import (
	"slices"
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
	if len(got) != 2 || got[1].IP.IsValid() || got[1].Port != 8080 || got[1].Target != 80 || got[0].IP.String() != "127.0.0.1" {
		t.Errorf("got %+v", got)
	}
	pod.Spec.HostNetwork = true
	if got := HostPorts(pod); got != nil {
		t.Errorf("in the host's network: %+v", got)
	}
	errs := validateHostPorts(&pod.Spec, Features{}, field.NewPath("spec"))
	if len(errs) != 3 || errs[0].Error() != "spec.containers[0].ports[0].hostPort: Invalid value: 8080: must match `containerPort` when `hostNetwork` is true" {
		t.Errorf("got %v", errs)
	}
}

func TestHostPortsOfInitContainers(t *testing.T) {
	port := func(host, container int32) []corev1.ContainerPort {
		return []corev1.ContainerPort{{HostPort: host, ContainerPort: container, Protocol: corev1.ProtocolTCP}}
	}
	pod := &corev1.Pod{Spec: corev1.PodSpec{
		InitContainers: []corev1.Container{{Ports: port(8080, 1)}, {Ports: port(8080, 2)}, {Ports: port(8081, 3)}},
		Containers:     []corev1.Container{{Ports: port(8080, 4)}},
	}}
	spec := field.NewPath("spec")
	if errs := validateHostPorts(&pod.Spec, Features{}, spec); len(errs) != 0 {
		t.Errorf("one after another: %v", errs)
	}
	targets := map[uint16]uint16{}
	for _, p := range HostPorts(pod) {
		if targets[p.Port] != 0 {
			t.Errorf("port %d twice", p.Port)
		}
		targets[p.Port] = p.Target
	}
	if len(targets) != 2 || targets[8080] != 4 || targets[8081] != 3 {
		t.Errorf("got %v", targets)
	}
	pod.Spec.InitContainers[0].Ports = append(port(8082, 1), corev1.ContainerPort{HostPort: 8082, HostIP: "nowhere", ContainerPort: 2, Protocol: corev1.ProtocolTCP})
	pod.Spec.InitContainers[1].Ports = append(port(70000, 1), port(70000, 1)...)
	var got []string
	for _, err := range validateHostPorts(&pod.Spec, Features{}, spec) {
		got = append(got, err.Field+": "+string(err.Type))
	}
	want := []string{
		"spec.initContainers[0].ports[1].hostIP: FieldValueInvalid", "spec.initContainers[1].ports[0].hostPort: FieldValueInvalid",
		"spec.initContainers[1].ports[1].hostPort: FieldValueInvalid", "spec.initContainers[1].ports[1].hostPort: FieldValueDuplicate",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}
