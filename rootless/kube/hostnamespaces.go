package kube

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateHostNamespaces is about what a Pod in the host's namespaces cannot have. path is the security context's, where Kubernetes
// keeps these fields inside and whose names its messages give.
func validateHostNamespaces(spec *corev1.PodSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if share := spec.ShareProcessNamespace; spec.HostPID && share != nil && *share {
		errs = append(errs, field.Invalid(path.Child("shareProcessNamespace"), *share, "ShareProcessNamespace and HostPID cannot both be enabled"))
	}
	if spec.SecurityContext == nil {
		return errs
	}
	for i, sysctl := range spec.SecurityContext.Sysctls {
		ofNetwork := strings.HasPrefix(SysctlName(sysctl.Name), "net.")
		at := path.Child("sysctls").Index(i).Child("name")
		switch {
		case spec.HostNetwork && ofNetwork:
			errs = append(errs, field.Invalid(at, sysctl.Name, "may not be specified when 'hostNetwork' is true"))
		case spec.HostIPC && !ofNetwork:
			errs = append(errs, field.Invalid(at, sysctl.Name, "may not be specified when 'hostIPC' is true"))
		}
	}
	return errs
}
