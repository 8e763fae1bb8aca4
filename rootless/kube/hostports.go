package kube

import (
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// A HostPort is a port of the host that a Pod asks for.
type HostPort struct {
	Protocol corev1.Protocol
	IP       netip.Addr // zero: every address
	Port     uint16     // of the host
	Target   uint16     // of the Pod
}

// HostPorts are the ports of the host that lead to a Pod. One in the host's network has none: its ports are the host's.
func HostPorts(pod *corev1.Pod) []HostPort {
	if pod.Spec.HostNetwork {
		return nil
	}
	var ports []HostPort
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			for _, p := range containers[i].Ports {
				if p.HostPort != 0 {
					ip, _ := netip.ParseAddr(p.HostIP) // empty, or valid since validateHostPorts
					ports = append(ports, HostPort{p.Protocol, ip.Unmap(), uint16(p.HostPort), uint16(p.ContainerPort)})
				}
			}
		}
	}
	return ports
}

// validateHostPorts is about the ports of all containers together.
func validateHostPorts(spec *corev1.PodSpec, features Features, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	seen := map[string]bool{}
	for i := range spec.Containers {
		for j, port := range spec.Containers[i].Ports {
			at := path.Index(i).Child("ports").Index(j)
			if port.HostPort != 0 {
				errs = append(errs, validateHostPort(port, features, at)...)
				key := fmt.Sprintf("%s/%s/%d", port.Protocol, port.HostIP, port.HostPort)
				if seen[key] {
					errs = append(errs, field.Duplicate(at.Child("hostPort"), key))
				}
				seen[key] = true
			}
			if spec.HostNetwork && port.HostPort != port.ContainerPort {
				errs = append(errs, field.Invalid(at.Child("hostPort"), port.HostPort, "must match `containerPort` when `hostNetwork` is true"))
			}
		}
	}
	return errs
}

// validateHostPort refuses what could only fail later: Kubernetes leaves addresses and low ports to the runtime.
func validateHostPort(port corev1.ContainerPort, features Features, at *field.Path) field.ErrorList {
	errs := invalid(at.Child("hostPort"), port.HostPort, validation.IsValidPortNum(int(port.HostPort)))
	if len(errs) == 0 && features.LowPort != nil {
		if hint := features.LowPort(int(port.HostPort)); hint != "" {
			errs = append(errs, field.Forbidden(at.Child("hostPort"), hint))
		}
	}
	if port.HostIP != "" {
		errs = append(errs, validation.IsValidIP(at.Child("hostIP"), port.HostIP)...)
	}
	if port.Protocol == corev1.ProtocolSCTP {
		errs = append(errs, field.Forbidden(at.Child("protocol"), "not supported by peapod: only TCP and UDP ports are published at the host"))
	}
	return errs
}
