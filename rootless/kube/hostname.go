package kube

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	// maxHostname is the kernel's limit less the byte that Kubernetes leaves (sethostname(2): 64).
	maxHostname = 63
	// maxNodename is the kernel's limit, which Kubernetes uses up where it is asked for the whole name, or for a certain one.
	maxNodename = 64
)

// Names are what a Pod is called by itself.
type Names struct {
	Host   string // short
	Domain string // what comes after it, without a dot before; mostly empty
	Kernel string // what uname(2) says
}

// NamesOf are a Pod's names; node is the machine's, which a Pod in its network has too. A name that the kernel cannot hold is an error.
func NamesOf(pod *corev1.Pod, clusterDomain, node string) (Names, error) {
	spec := &pod.Spec
	switch {
	case spec.HostNetwork:
		return Names{Host: node, Kernel: node}, nil
	case spec.HostnameOverride != nil:
		name := truncate(*spec.HostnameOverride)
		return Names{Host: name, Kernel: name}, nil
	}
	n := Names{Host: truncate(pod.Name)}
	if spec.Hostname != "" {
		n.Host = spec.Hostname
	}
	n.Kernel = n.Host
	if spec.Subdomain == "" {
		return n, nil
	}
	n.Domain = fmt.Sprintf("%s.%s.svc.%s", spec.Subdomain, pod.Namespace, clusterDomain)
	if full := spec.SetHostnameAsFQDN; full != nil && *full {
		n.Kernel = n.Host + "." + n.Domain
	}
	if len(n.Kernel) > maxNodename {
		return n, fmt.Errorf("failed to construct FQDN from pod hostname and cluster domain, FQDN %s is too long (%d characters is the max, %d characters requested)",
			n.Kernel, maxNodename, len(n.Kernel))
	}
	return n, nil
}

func truncate(name string) string {
	if len(name) <= maxHostname {
		return name
	}
	return strings.TrimRight(name[:maxHostname], "-.")
}

func validateHostname(spec *corev1.PodSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, label := range []struct{ name, value string }{{"hostname", spec.Hostname}, {"subdomain", spec.Subdomain}} {
		if label.value != "" {
			errs = append(errs, invalid(path.Child(label.name), label.value, validation.IsDNS1123Label(label.value))...)
		}
	}
	override, at := spec.HostnameOverride, path.Child("hostnameOverride")
	if override == nil {
		return errs
	}
	if full := spec.SetHostnameAsFQDN; full != nil && *full {
		errs = append(errs, field.Forbidden(at, "may not be specified when setHostnameAsFQDN is true"))
	}
	if spec.HostNetwork {
		errs = append(errs, field.Forbidden(at, "may not be specified when hostNetwork is true"))
	}
	if len(*override) > maxNodename {
		errs = append(errs, field.TooLong(at, "", maxNodename))
	}
	return append(errs, invalid(at, *override, validation.IsDNS1123Subdomain(*override))...)
}
