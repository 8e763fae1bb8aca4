package kube

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Services is the kind Service.
var Services = define(Kind{Name: "Service", Resource: "services"}, rules[*corev1.Service]{
	empty: func() *corev1.Service { return &corev1.Service{} }, setDefaults: defaultService, validate: validateService,
	validateUpdate: validateServiceUpdate,
})

// Endpoints is the kind Endpoints: where the Pods of a Service are. The node keeps those of Services with a selector.
var Endpoints = define(Kind{Name: "Endpoints", Resource: "endpoints"}, rules[*corev1.Endpoints]{
	empty: func() *corev1.Endpoints { return &corev1.Endpoints{} }, setDefaults: defaultEndpoints, validate: validateEndpoints,
	validateUpdate: func(applied, stored *corev1.Endpoints) field.ErrorList {
		return validateMetadataUpdate(&applied.ObjectMeta, &stored.ObjectMeta)
	},
})

// Headless tells a Service without an address, whose name leads to its Pods.
func Headless(s *corev1.Service) bool { return s.Spec.ClusterIP == corev1.ClusterIPNone }

// hasNodePorts tells a Service that is reached by ports of the host.
func hasNodePorts(s *corev1.Service) bool {
	return s.Spec.Type == corev1.ServiceTypeNodePort ||
		s.Spec.Type == corev1.ServiceTypeLoadBalancer && (s.Spec.AllocateLoadBalancerNodePorts == nil || *s.Spec.AllocateLoadBalancerNodePorts)
}

// defaultService follows kubernetes/pkg/apis/core/v1/defaults.go.
func defaultService(s *corev1.Service) {
	spec := &s.Spec
	setDefault(&spec.SessionAffinity, corev1.ServiceAffinityNone)
	setDefault(&spec.Type, corev1.ServiceTypeClusterIP)
	if spec.SessionAffinity == corev1.ServiceAffinityClientIP {
		setPointer(&spec.SessionAffinityConfig, corev1.SessionAffinityConfig{})
		setPointer(&spec.SessionAffinityConfig.ClientIP, corev1.ClientIPConfig{})
		setPointer(&spec.SessionAffinityConfig.ClientIP.TimeoutSeconds, corev1.DefaultClientIPServiceAffinitySeconds)
	}
	for i := range spec.Ports {
		p := &spec.Ports[i]
		setDefault(&p.Protocol, corev1.ProtocolTCP)
		if p.TargetPort == intstr.FromInt32(0) || p.TargetPort == intstr.FromString("") {
			p.TargetPort = intstr.FromInt32(p.Port)
		}
	}
	if spec.ClusterIP != "" && len(spec.ClusterIPs) == 0 {
		spec.ClusterIPs = []string{spec.ClusterIP}
	} else if len(spec.ClusterIPs) > 0 {
		setDefault(&spec.ClusterIP, spec.ClusterIPs[0])
	}
	if spec.Type == corev1.ServiceTypeExternalName {
		return
	}
	setPointer(&spec.InternalTrafficPolicy, corev1.ServiceInternalTrafficPolicyCluster)
	if spec.Type != corev1.ServiceTypeClusterIP {
		setDefault(&spec.ExternalTrafficPolicy, corev1.ServiceExternalTrafficPolicyCluster)
	}
	if spec.Type == corev1.ServiceTypeLoadBalancer {
		setPointer(&spec.AllocateLoadBalancerNodePorts, true)
	}
	families := max(len(spec.ClusterIPs), len(spec.IPFamilies))
	setPointer(&spec.IPFamilyPolicy, map[bool]corev1.IPFamilyPolicy{false: corev1.IPFamilyPolicySingleStack, true: corev1.IPFamilyPolicyRequireDualStack}[families > 1])
}

// validateService follows kubernetes/pkg/apis/core/validation, ValidateService.
func validateService(s *corev1.Service, _ Features) field.ErrorList {
	path, spec := field.NewPath("spec"), &s.Spec
	errs := validateMetadata(&s.ObjectMeta)
	errs = append(errs, invalid(field.NewPath("metadata", "name"), s.Name, validation.IsDNS1035Label(s.Name))...)
	if len(spec.Ports) == 0 && !Headless(s) && spec.Type != corev1.ServiceTypeExternalName {
		errs = append(errs, field.Required(path.Child("ports"), ""))
	}
	errs = append(errs, oneOf(path.Child("type"), spec.Type, corev1.ServiceTypeClusterIP, corev1.ServiceTypeExternalName,
		corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeNodePort)...)
	if spec.Type == corev1.ServiceTypeExternalName {
		errs = append(errs, field.Forbidden(path.Child("type"), "ExternalName is not supported by peapod"))
	}
	if Headless(s) && (spec.Type == corev1.ServiceTypeNodePort || spec.Type == corev1.ServiceTypeLoadBalancer) {
		errs = append(errs, field.Invalid(path.Child("clusterIPs").Index(0), spec.ClusterIP, fmt.Sprintf("may not be set to 'None' for %s services", spec.Type)))
	}
	errs = append(errs, oneOf(path.Child("sessionAffinity"), spec.SessionAffinity, corev1.ServiceAffinityClientIP, corev1.ServiceAffinityNone)...)
	for _, key := range slices.Sorted(maps.Keys(spec.Selector)) {
		value := spec.Selector[key]
		errs = append(errs, invalid(path.Child("selector"), key, validation.IsQualifiedName(key))...)
		errs = append(errs, invalid(path.Child("selector"), value, validation.IsValidLabelValue(value))...)
	}
	errs = append(errs, validateClusterIPs(spec, path)...)
	return append(errs, validateServicePorts(s, path.Child("ports"))...)
}

func validateClusterIPs(spec *corev1.ServiceSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	at := path.Child("clusterIPs")
	if len(spec.ClusterIPs) > 2 {
		errs = append(errs, field.Invalid(at, spec.ClusterIPs, "may only hold up to 2 values"))
	}
	for i, ip := range spec.ClusterIPs {
		if ip == corev1.ClusterIPNone && len(spec.ClusterIPs) == 1 {
			continue
		}
		errs = append(errs, validation.IsValidIP(at.Index(i), ip)...)
	}
	if len(spec.ClusterIPs) > 0 && spec.ClusterIP != spec.ClusterIPs[0] {
		errs = append(errs, field.Invalid(at, spec.ClusterIPs, "first value must match `clusterIP`"))
	}
	for i, family := range spec.IPFamilies {
		errs = append(errs, oneOf(path.Child("ipFamilies").Index(i), family, corev1.IPv4Protocol, corev1.IPv6Protocol)...)
		if i > 0 && slices.Contains(spec.IPFamilies[:i], family) {
			errs = append(errs, field.Duplicate(path.Child("ipFamilies").Index(i), family))
		}
	}
	if p := spec.IPFamilyPolicy; p != nil {
		errs = append(errs, oneOf(path.Child("ipFamilyPolicy"), *p,
			corev1.IPFamilyPolicyPreferDualStack, corev1.IPFamilyPolicyRequireDualStack, corev1.IPFamilyPolicySingleStack)...)
	}
	return errs
}

func validateServicePorts(s *corev1.Service, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	names, numbers, nodePorts := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i := range s.Spec.Ports {
		p, at := &s.Spec.Ports[i], path.Index(i)
		switch {
		case p.Name == "" && len(s.Spec.Ports) > 1:
			errs = append(errs, field.Required(at.Child("name"), ""))
		case p.Name != "":
			errs = append(errs, invalid(at.Child("name"), p.Name, validation.IsDNS1123Label(p.Name))...)
			if names[p.Name] {
				errs = append(errs, field.Duplicate(at.Child("name"), p.Name))
			}
			names[p.Name] = true
		}
		errs = append(errs, invalid(at.Child("port"), p.Port, validation.IsValidPortNum(int(p.Port)))...)
		errs = append(errs, oneOf(at.Child("protocol"), p.Protocol, corev1.ProtocolSCTP, corev1.ProtocolTCP, corev1.ProtocolUDP)...)
		if p.Protocol == corev1.ProtocolSCTP {
			errs = append(errs, field.Forbidden(at.Child("protocol"), "SCTP is not supported by peapod"))
		}
		if p.TargetPort.Type == intstr.Int {
			errs = append(errs, invalid(at.Child("targetPort"), p.TargetPort.IntVal, validation.IsValidPortNum(p.TargetPort.IntValue()))...)
		} else {
			errs = append(errs, invalid(at.Child("targetPort"), p.TargetPort.StrVal, validation.IsValidPortName(p.TargetPort.StrVal))...)
		}
		if p.NodePort != 0 && !hasNodePorts(s) {
			errs = append(errs, field.Forbidden(at.Child("nodePort"), "may not be used when `type` is 'ClusterIP'"))
		}
		if key := fmt.Sprint(p.Protocol, p.Port); numbers[key] {
			errs = append(errs, field.Duplicate(at, corev1.ServicePort{Protocol: p.Protocol, Port: p.Port}))
		} else {
			numbers[key] = true
		}
		if key := fmt.Sprint(p.Protocol, p.NodePort); p.NodePort != 0 && nodePorts[key] {
			errs = append(errs, field.Duplicate(at.Child("nodePort"), p.NodePort))
		} else {
			nodePorts[key] = true
		}
	}
	return errs
}

// validateServiceUpdate: a Service keeps its address.
func validateServiceUpdate(applied, stored *corev1.Service) field.ErrorList {
	errs := validateMetadataUpdate(&applied.ObjectMeta, &stored.ObjectMeta)
	if old := stored.Spec.ClusterIP; old != "" && applied.Spec.ClusterIP != old {
		errs = append(errs, field.Invalid(field.NewPath("spec", "clusterIPs").Index(0), applied.Spec.ClusterIP, "may not change once set"))
	}
	return errs
}

func defaultEndpoints(e *corev1.Endpoints) {
	for i := range e.Subsets {
		for j := range e.Subsets[i].Ports {
			setDefault(&e.Subsets[i].Ports[j].Protocol, corev1.ProtocolTCP)
		}
	}
}

func validateEndpoints(e *corev1.Endpoints, _ Features) field.ErrorList {
	errs := validateMetadata(&e.ObjectMeta)
	for i := range e.Subsets {
		at := field.NewPath("subsets").Index(i)
		for j := range e.Subsets[i].Addresses {
			errs = append(errs, validation.IsValidIP(at.Child("addresses").Index(j).Child("ip"), e.Subsets[i].Addresses[j].IP)...)
		}
		for j := range e.Subsets[i].Ports {
			errs = append(errs, invalid(at.Child("ports").Index(j).Child("port"), e.Subsets[i].Ports[j].Port, validation.IsValidPortNum(int(e.Subsets[i].Ports[j].Port)))...)
		}
	}
	return errs
}

// ServiceRanges are where addresses and ports of Services come from.
type ServiceRanges struct {
	IPv4, IPv6 netip.Prefix
}

// Ports of the host for Services of type NodePort, as in a cluster.
const firstNodePort, lastNodePort = 30000, 32767

// AllocateService gives a Service what a manifest need not say: addresses and ports of the host. It keeps those that it has had (before; nil if it is new), takes
// those that the manifest asks for and the first free of the others; near chooses where to begin to look. others are all Services that there are.
func AllocateService(s, before *corev1.Service, others []*corev1.Service, ranges ServiceRanges, near int) field.ErrorList {
	if before != nil {
		inheritService(s, before)
	}
	addrs, ports := map[string]bool{}, map[int32]bool{}
	for _, o := range others {
		if o.Namespace == s.Namespace && o.Name == s.Name {
			continue
		}
		for _, ip := range o.Spec.ClusterIPs {
			addrs[ip] = true
		}
		for i := range o.Spec.Ports {
			ports[o.Spec.Ports[i].NodePort] = true
		}
	}
	return append(allocateAddrs(s, addrs, ranges), allocateNodePorts(s, ports, near)...)
}

// inheritService gives s what the node gave before.
func inheritService(s, before *corev1.Service) {
	if s.Spec.ClusterIP == "" {
		s.Spec.ClusterIP, s.Spec.ClusterIPs = before.Spec.ClusterIP, slices.Clone(before.Spec.ClusterIPs)
	}
	if len(s.Spec.IPFamilies) == 0 {
		s.Spec.IPFamilies = slices.Clone(before.Spec.IPFamilies)
	}
	for i := range s.Spec.Ports {
		p := &s.Spec.Ports[i]
		had := slices.IndexFunc(before.Spec.Ports, func(b corev1.ServicePort) bool { return b.Port == p.Port && b.Protocol == p.Protocol })
		if had >= 0 && hasNodePorts(s) {
			setDefault(&p.NodePort, before.Spec.Ports[had].NodePort)
		}
	}
}

func allocateAddrs(s *corev1.Service, taken map[string]bool, ranges ServiceRanges) field.ErrorList {
	spec := &s.Spec
	want := 1
	if spec.IPFamilyPolicy != nil && *spec.IPFamilyPolicy != corev1.IPFamilyPolicySingleStack {
		want = 2
	}
	if Headless(s) {
		spec.IPFamilies = families(spec.IPFamilies, nil, want)
		return nil
	}
	spec.IPFamilies = families(spec.IPFamilies, spec.ClusterIPs, want)
	for i, family := range spec.IPFamilies {
		from := ranges.IPv4
		if family == corev1.IPv6Protocol {
			from = ranges.IPv6
		}
		if i < len(spec.ClusterIPs) {
			at := field.NewPath("spec", "clusterIPs").Index(i)
			ip, err := netip.ParseAddr(spec.ClusterIPs[i])
			switch {
			case err != nil || !from.Contains(ip):
				return field.ErrorList{field.Invalid(at, spec.ClusterIPs[i],
					fmt.Sprintf("failed to allocate IP %s: the provided network does not match the current range. The range of valid IPs is %s", spec.ClusterIPs[i], from))}
			case taken[ip.String()]:
				return field.ErrorList{field.Invalid(at, spec.ClusterIPs[i], fmt.Sprintf("failed to allocate IP %s: provided IP is already allocated", ip))}
			}
			continue
		}
		ip := from.Addr().Next()
		for taken[ip.String()] {
			ip = ip.Next()
		}
		if !from.Contains(ip.Next()) { // the last one of a range is nobody's
			return field.ErrorList{field.InternalError(field.NewPath("spec", "clusterIPs"), fmt.Errorf("range %s is full", from))}
		}
		spec.ClusterIPs = append(spec.ClusterIPs, ip.String())
	}
	spec.ClusterIP = spec.ClusterIPs[0]
	return nil
}

// families are those asked for, those of the addresses, and if more are wanted the rest, IPv4 first.
func families(given []corev1.IPFamily, ips []string, want int) []corev1.IPFamily {
	all := slices.Clone(given)
	for i, ip := range ips {
		family := corev1.IPv4Protocol
		if strings.Contains(ip, ":") {
			family = corev1.IPv6Protocol
		}
		if i >= len(all) {
			all = append(all, family)
		}
	}
	for _, family := range []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol} {
		if len(all) < want && !slices.Contains(all, family) {
			all = append(all, family)
		}
	}
	return all
}

func allocateNodePorts(s *corev1.Service, taken map[int32]bool, near int) field.ErrorList {
	var errs field.ErrorList
	if !hasNodePorts(s) {
		return nil
	}
	const count = lastNodePort - firstNodePort + 1
	for i := range s.Spec.Ports {
		p, at := &s.Spec.Ports[i], field.NewPath("spec", "ports").Index(i).Child("nodePort")
		for n := 0; p.NodePort == 0 && n < count; n++ {
			if candidate := int32(firstNodePort + (near+n)%count); !taken[candidate] {
				p.NodePort = candidate
			}
		}
		switch {
		case p.NodePort < firstNodePort || p.NodePort > lastNodePort:
			errs = append(errs, field.Invalid(at, p.NodePort,
				fmt.Sprintf("provided port is not in the valid range. The range of valid ports is %d-%d", firstNodePort, lastNodePort)))
		case taken[p.NodePort]:
			errs = append(errs, field.Invalid(at, p.NodePort, "provided port is already allocated"))
		}
	}
	for i := range s.Spec.Ports {
		taken[s.Spec.Ports[i].NodePort] = true
	}
	return errs
}

// Selects tells whether a Service's selector is there and matches the Pod.
func Selects(s *corev1.Service, pod *corev1.Pod) bool {
	return len(s.Spec.Selector) > 0 && s.Namespace == pod.Namespace && labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(pod.Labels))
}

// ServiceVariables are the variables that tell a container where Services are: kubernetes/pkg/kubelet/envvars. Those without an address have none.
func ServiceVariables(services []*corev1.Service) []string {
	var env []string
	for _, s := range services {
		if Headless(s) || s.Spec.ClusterIP == "" || len(s.Spec.Ports) == 0 {
			continue
		}
		prefix := strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
		ip := s.Spec.ClusterIP
		env = append(env, prefix+"_SERVICE_HOST="+ip, fmt.Sprintf("%s_SERVICE_PORT=%d", prefix, s.Spec.Ports[0].Port))
		for i := range s.Spec.Ports {
			if p := &s.Spec.Ports[i]; p.Name != "" {
				env = append(env, fmt.Sprintf("%s_SERVICE_PORT_%s=%d", prefix, strings.ToUpper(strings.ReplaceAll(p.Name, "-", "_")), p.Port))
			}
		}
		for i := range s.Spec.Ports {
			p := &s.Spec.Ports[i]
			protocol := strings.ToLower(string(p.Protocol))
			url := protocol + "://" + netip.AddrPortFrom(addr(ip), uint16(p.Port)).String()
			if i == 0 {
				env = append(env, prefix+"_PORT="+url)
			}
			of := fmt.Sprintf("%s_PORT_%d_%s", prefix, p.Port, strings.ToUpper(protocol))
			env = append(env, of+"="+url, of+"_PROTO="+protocol, fmt.Sprintf("%s_PORT=%d", of, p.Port), of+"_ADDR="+ip)
		}
	}
	return env
}

func addr(ip string) netip.Addr {
	a, _ := netip.ParseAddr(ip) // one of ours
	return a
}
