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

// validateHostUsers is about what a Pod cannot have in a user namespace of its own, and what it cannot have without. Here every Pod has one, but a
// manifest is to mean the same in a cluster. path is the spec's.
func validateHostUsers(spec *corev1.PodSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if spec.HostUsers == nil || *spec.HostUsers {
		for i := range spec.InitContainers {
			errs = append(errs, validateUnmasked(&spec.InitContainers[i], path.Child("initContainers").Index(i))...)
		}
		for i := range spec.Containers {
			errs = append(errs, validateUnmasked(&spec.Containers[i], path.Child("containers").Index(i))...)
		}
		return errs
	}
	for _, of := range []struct {
		name string // as Kubernetes spells it
		host bool
	}{{"hostNetwork", spec.HostNetwork}, {"HostPID", spec.HostPID}, {"HostIPC", spec.HostIPC}} {
		if of.host {
			errs = append(errs, field.Forbidden(path.Child(of.name), "when `hostUsers` is false"))
		}
	}
	return errs
}

func validateUnmasked(c *corev1.Container, path *field.Path) field.ErrorList {
	if s := c.SecurityContext; s != nil && s.ProcMount != nil && *s.ProcMount == corev1.UnmaskedProcMount {
		return field.ErrorList{field.Invalid(path.Child("securityContext", "procMount"), *s.ProcMount, "`hostUsers` must be false to use `Unmasked`")}
	}
	return nil
}
