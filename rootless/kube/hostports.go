package kube

import (
	"fmt"
	"net/netip"
	"slices"

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

// HostPorts are the ports of the host that lead to a Pod, each for as long as the Pod lives. One in the host's network has none: its ports
// are the host's. An init container may name a port that a later container names too; the later one, or a container, has it.
func HostPorts(pod *corev1.Pod) []HostPort {
	if pod.Spec.HostNetwork {
		return nil
	}
	var ports []HostPort
	taken := map[HostPort]bool{}
	for _, c := range slices.Backward(slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers)) {
		for _, p := range c.Ports {
			ip, _ := netip.ParseAddr(p.HostIP) // empty, or valid since validateHostPorts
			port := HostPort{Protocol: p.Protocol, IP: ip.Unmap(), Port: uint16(p.HostPort)}
			if p.HostPort == 0 || taken[port] {
				continue
			}
			taken[port] = true
			port.Target = uint16(p.ContainerPort)
			ports = append(ports, port)
		}
	}
	return ports
}

// validateHostPorts is about the ports of all containers together. Those of an init container may be another's: they run one after another.
func validateHostPorts(spec *corev1.PodSpec, features Features, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i := range spec.InitContainers {
		at := path.Child("initContainers").Index(i)
		errs = append(errs, validateContainerHostPorts(spec.InitContainers[i].Ports, spec.HostNetwork, map[string]bool{}, features, at)...)
	}
	seen := map[string]bool{}
	for i := range spec.Containers {
		errs = append(errs, validateContainerHostPorts(spec.Containers[i].Ports, spec.HostNetwork, seen, features, path.Child("containers").Index(i))...)
	}
	return errs
}

// validateContainerHostPorts is about the ports of one container. Ports of the host that are taken are in seen.
func validateContainerHostPorts(ports []corev1.ContainerPort, hostNetwork bool, seen map[string]bool, features Features, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, port := range ports {
		at := path.Child("ports").Index(i)
		if port.HostPort != 0 {
			errs = append(errs, validateHostPort(port, features, at)...)
			key := fmt.Sprintf("%s/%s/%d", port.Protocol, port.HostIP, port.HostPort)
			if seen[key] {
				errs = append(errs, field.Duplicate(at.Child("hostPort"), key))
			}
			seen[key] = true
		}
		if hostNetwork && port.HostPort != port.ContainerPort {
			errs = append(errs, field.Invalid(at.Child("hostPort"), port.HostPort, "must match `containerPort` when `hostNetwork` is true"))
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
