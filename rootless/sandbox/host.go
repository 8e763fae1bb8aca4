package sandbox

import (
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// HostNamespaces are the types of namespaces (CLONE_NEW*) in which a Pod stays with the node, and so with the host. They belong to a user
// namespace above the Pod's: nothing in the Pod holds a capability over them, joins them anew, or mounts a file system that shows them.
func HostNamespaces(spec *corev1.PodSpec) (host uint64) {
	for flag, wanted := range map[uint64]bool{
		unix.CLONE_NEWNET: spec.HostNetwork, unix.CLONE_NEWPID: spec.HostPID, unix.CLONE_NEWIPC: spec.HostIPC,
	} {
		if wanted {
			host |= flag
		}
	}
	return host
}

// SharesProcesses says whether all containers of a Pod see each other's processes: in a namespace of the Pod's or in the host's.
func SharesProcesses(spec *corev1.PodSpec) bool {
	return spec.HostPID || spec.ShareProcessNamespace != nil && *spec.ShareProcessNamespace
}
