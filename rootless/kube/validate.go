package kube

import (
	"fmt"
	"math"
	"path"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Validate returns everything that is wrong with a Pod or cannot be done by this version, worded as Kubernetes words
// it. The Pod has been through Default and has its namespace.
func Validate(pod *corev1.Pod, features Features) field.ErrorList {
	errs := validateMetadata(&pod.ObjectMeta)
	errs = append(errs, validateClaimNames(pod)...)
	errs = append(errs, validateSpec(&pod.Spec, field.NewPath("spec"))...)
	_, _, bandwidth := Bandwidth(pod)
	errs = append(errs, bandwidth...)
	errs = append(errs, validateHostPorts(&pod.Spec, features, field.NewPath("spec"))...)
	return append(errs, unsupported(findings(pod, features))...)
}

func validateSpec(spec *corev1.PodSpec, path *field.Path) field.ErrorList {
	errs := validatePodVolumes(spec, path)
	errs = append(errs, validateContainers(spec, path.Child("containers"))...)
	errs = append(errs, validateInitContainers(spec, path.Child("initContainers"))...)
	errs = append(errs, validateEphemeralContainers(spec, path.Child("ephemeralContainers"))...)
	if s := spec.ActiveDeadlineSeconds; s != nil && (*s < 1 || *s > math.MaxInt32) {
		errs = append(errs, field.Invalid(path.Child("activeDeadlineSeconds"), *s, validation.InclusiveRangeError(1, math.MaxInt32)))
	}
	errs = append(errs, oneOf(path.Child("restartPolicy"), spec.RestartPolicy,
		corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever)...)
	errs = append(errs, oneOf(path.Child("dnsPolicy"), spec.DNSPolicy,
		corev1.DNSClusterFirstWithHostNet, corev1.DNSClusterFirst, corev1.DNSDefault, corev1.DNSNone)...)
	errs = append(errs, validateDNSConfig(spec.DNSConfig, spec.DNSPolicy, path.Child("dnsConfig"))...)
	errs = append(errs, validatePodSecurity(spec.SecurityContext, path.Child("securityContext"))...)
	errs = append(errs, validateHostNamespaces(spec, path.Child("securityContext"))...)
	errs = append(errs, validateHostUsers(spec, path)...)
	errs = append(errs, validatePodResources(spec, path.Child("resources"))...)
	errs = append(errs, validateHostAliases(spec.HostAliases, path.Child("hostAliases"))...)
	errs = append(errs, validateHostname(spec, path)...)
	if class := spec.RuntimeClassName; class != nil {
		errs = append(errs, invalid(path.Child("runtimeClassName"), *class, apivalidation.NameIsDNSSubdomain(*class, false))...)
	}
	if spec.OS != nil {
		errs = append(errs, oneOf(path.Child("os", "name"), spec.OS.Name, corev1.Linux)...)
	}
	return errs
}

// validateMetadata is about an object whose name is a DNS subdomain.
func validateMetadata(meta *metav1.ObjectMeta) field.ErrorList {
	return apivalidation.ValidateObjectMeta(meta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
}

// invalid makes an error of each message.
func invalid(path *field.Path, value any, messages []string) field.ErrorList {
	var errs field.ErrorList
	for _, message := range messages {
		errs = append(errs, field.Invalid(path, value, message))
	}
	return errs
}

// oneOf checks a field that must be given and must have one of the values.
func oneOf[T ~string](path *field.Path, value T, allowed ...T) field.ErrorList {
	switch {
	case slices.Contains(allowed, value):
		return nil
	case value == "":
		return field.ErrorList{field.Required(path, "")}
	}
	return field.ErrorList{field.NotSupported(path, value, allowed)}
}

// The limits of a resolver's configuration (kubernetes/pkg/apis/core/validation).
const (
	maxNameservers = 3
	maxSearches    = 32
	maxSearchChars = 2048
)

func validateDNSConfig(config *corev1.PodDNSConfig, policy corev1.DNSPolicy, path *field.Path) field.ErrorList {
	if policy == corev1.DNSNone {
		if config == nil {
			return field.ErrorList{field.Required(path, "must provide `dnsConfig` when `dnsPolicy` is None")}
		}
		if len(config.Nameservers) == 0 {
			return field.ErrorList{field.Required(path.Child("nameservers"), "must provide at least one DNS nameserver when `dnsPolicy` is None")}
		}
	}
	if config == nil {
		return nil
	}
	var errs field.ErrorList
	servers, searches := path.Child("nameservers"), path.Child("searches")
	if len(config.Nameservers) > maxNameservers {
		errs = append(errs, field.Invalid(servers, config.Nameservers, fmt.Sprintf("must not have more than %d nameservers", maxNameservers)))
	}
	for i, server := range config.Nameservers {
		errs = append(errs, validation.IsValidIP(servers.Index(i), server)...)
	}
	if len(config.Searches) > maxSearches {
		errs = append(errs, field.Invalid(searches, config.Searches, fmt.Sprintf("must not have more than %d search paths", maxSearches)))
	}
	if len(strings.Join(config.Searches, " ")) > maxSearchChars {
		errs = append(errs, field.Invalid(searches, config.Searches,
			fmt.Sprintf("must not have more than %d characters (including spaces) in the search list", maxSearchChars)))
	}
	for i, search := range config.Searches {
		if search != "." {
			name := strings.TrimSuffix(search, ".")
			errs = append(errs, invalid(searches.Index(i), name, validation.IsDNS1123SubdomainWithUnderscore(name))...)
		}
	}
	for i, option := range config.Options {
		if option.Name == "" {
			errs = append(errs, field.Required(path.Child("options").Index(i), "must not be empty"))
		}
	}
	return errs
}

func validateHostAliases(aliases []corev1.HostAlias, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, alias := range aliases {
		errs = append(errs, validation.IsValidIP(path.Index(i).Child("ip"), alias.IP)...)
		for j, name := range alias.Hostnames {
			errs = append(errs, invalid(path.Index(i).Child("hostnames").Index(j), name, validation.IsDNS1123Subdomain(name))...)
		}
	}
	return errs
}

func validatePodSecurity(security *corev1.PodSecurityContext, path *field.Path) field.ErrorList {
	if security == nil {
		return nil
	}
	errs := validateIDs(security.RunAsUser, security.RunAsGroup, path)
	for i, gid := range security.SupplementalGroups {
		errs = append(errs, invalid(path.Child("supplementalGroups").Index(i), gid, validation.IsValidGroupID(gid))...)
	}
	errs = append(errs, validateFSGroup(security, path)...)
	errs = append(errs, validateSeccomp(security.SeccompProfile, path.Child("seccompProfile"))...)
	if p := security.SupplementalGroupsPolicy; p != nil {
		errs = append(errs, oneOf(path.Child("supplementalGroupsPolicy"), *p, corev1.SupplementalGroupsPolicyMerge, corev1.SupplementalGroupsPolicyStrict)...)
	}
	if p := security.SELinuxChangePolicy; p != nil {
		errs = append(errs, oneOf(path.Child("seLinuxChangePolicy"), *p, corev1.SELinuxChangePolicyMountOption, corev1.SELinuxChangePolicyRecursive)...)
	}
	return append(errs, validateSysctls(security.Sysctls, path.Child("sysctls"))...)
}

func validateIDs(user, group *int64, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if user != nil {
		errs = append(errs, invalid(path.Child("runAsUser"), *user, validation.IsValidUserID(*user))...)
	}
	if group != nil {
		errs = append(errs, invalid(path.Child("runAsGroup"), *group, validation.IsValidGroupID(*group))...)
	}
	return errs
}

func validateSeccomp(profile *corev1.SeccompProfile, path *field.Path) field.ErrorList {
	if profile == nil {
		return nil
	}
	errs := oneOf(path.Child("type"), profile.Type,
		corev1.SeccompProfileTypeLocalhost, corev1.SeccompProfileTypeRuntimeDefault, corev1.SeccompProfileTypeUnconfined)
	switch isLocal := profile.Type == corev1.SeccompProfileTypeLocalhost; {
	case isLocal && (profile.LocalhostProfile == nil || *profile.LocalhostProfile == ""):
		errs = append(errs, field.Required(path.Child("localhostProfile"), "must be set when seccomp type is Localhost"))
	case isLocal:
		errs = append(errs, validateBelow(*profile.LocalhostProfile, path.Child("localhostProfile"))...)
	case profile.LocalhostProfile != nil:
		errs = append(errs, field.Invalid(path.Child("localhostProfile"), profile, "can only be set when seccomp type is Localhost"))
	}
	return errs
}

// validateBelow wants a path that leads nowhere but down.
func validateBelow(name string, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if path.IsAbs(name) {
		errs = append(errs, field.Invalid(at, name, "must be a relative path"))
	}
	if slices.Contains(strings.Split(name, "/"), "..") {
		errs = append(errs, field.Invalid(at, name, "must not contain '..'"))
	}
	return errs
}

const (
	sysctlSegment   = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
	sysctlPattern   = "^(" + sysctlSegment + `[\./])*` + sysctlSegment + "$"
	sysctlMaxLength = 253
)

var sysctlRegexp = regexp.MustCompile(sysctlPattern)

// namespacedSysctls are those that belong to a Pod's own network and IPC namespaces (sysctl(2), namespaces(7)). One that ends with a
// dot or a star stands for all that begin so.
var namespacedSysctls = []string{"net.*", "kernel.shm*", "kernel.msg*", "kernel.sem", "fs.mqueue.*"}

func validateSysctls(sysctls []corev1.Sysctl, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	seen := map[string]bool{}
	for i, sysctl := range sysctls {
		at, name := path.Index(i).Child("name"), SysctlName(sysctl.Name)
		switch {
		case sysctl.Name == "":
			errs = append(errs, field.Required(at, ""))
		case len(sysctl.Name) > sysctlMaxLength || !sysctlRegexp.MatchString(sysctl.Name):
			errs = append(errs, field.Invalid(at, sysctl.Name,
				fmt.Sprintf("must have at most %d characters and match regex %s", sysctlMaxLength, sysctlPattern)))
		case seen[sysctl.Name]:
			errs = append(errs, field.Duplicate(at, sysctl.Name))
		case !namespaced(name):
			errs = append(errs, field.Forbidden(at, fmt.Sprintf("%s would change the whole machine; a Pod may set %s", name, strings.Join(namespacedSysctls, ", "))))
		}
		seen[sysctl.Name] = true
	}
	return errs
}

// SysctlName writes a sysctl's name with dots between its parts: where a slash comes first, slashes part and dots belong to a
// part, as in net/ipv4/conf/eth0.1/forwarding (sysctl.d(5)).
func SysctlName(name string) string {
	if i := strings.IndexAny(name, "./"); i < 0 || name[i] == '.' {
		return name
	}
	return strings.Map(func(r rune) rune {
		switch r {
		case '.':
			return '/'
		case '/':
			return '.'
		}
		return r
	}, name)
}

func namespaced(name string) bool {
	return slices.ContainsFunc(namespacedSysctls, func(pattern string) bool {
		prefix, isPrefix := strings.CutSuffix(pattern, "*")
		return name == pattern || isPrefix && strings.HasPrefix(name, prefix)
	})
}
