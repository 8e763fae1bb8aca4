package controller

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/peapod/peapod/rootless/kube"
)

// Endpoints is where the Pods of a Service with a selector are, as Kubernetes' endpoints controller tells it: addresses of the Service's first family, in a
// subset for each set of ports, as a named port may be another number in each Pod.
func Endpoints(s *corev1.Service, pods []*corev1.Pod) *corev1.Endpoints {
	e := &corev1.Endpoints{ObjectMeta: metav1.ObjectMeta{Name: s.Name, Namespace: s.Namespace, Labels: s.Labels}}
	subsets := map[string]*corev1.EndpointSubset{}
	for _, pod := range pods {
		ip := addressOf(s, pod)
		if !kube.Selects(s, pod) || ip == "" || ended(pod) || pod.DeletionTimestamp != nil && !s.Spec.PublishNotReadyAddresses {
			continue
		}
		ports := endpointPorts(s, pod)
		if len(ports) == 0 && len(s.Spec.Ports) > 0 {
			continue
		}
		key := fmt.Sprint(ports)
		if subsets[key] == nil {
			subsets[key] = &corev1.EndpointSubset{Ports: ports}
		}
		node := pod.Spec.NodeName
		address := corev1.EndpointAddress{IP: ip, NodeName: &node, TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID}}
		if pod.Spec.Subdomain == s.Name {
			address.Hostname = pod.Spec.Hostname
		}
		if into := subsets[key]; ready(pod) || s.Spec.PublishNotReadyAddresses {
			into.Addresses = append(into.Addresses, address)
		} else {
			into.NotReadyAddresses = append(into.NotReadyAddresses, address)
		}
	}
	for _, subset := range subsets {
		byIP := func(a, b corev1.EndpointAddress) int { return strings.Compare(a.IP, b.IP) }
		slices.SortFunc(subset.Addresses, byIP)
		slices.SortFunc(subset.NotReadyAddresses, byIP)
		e.Subsets = append(e.Subsets, *subset)
	}
	slices.SortFunc(e.Subsets, func(a, b corev1.EndpointSubset) int { return cmp.Compare(fmt.Sprint(a.Ports), fmt.Sprint(b.Ports)) })
	return e
}

// addressOf is the Pod's address of the Service's first family.
func addressOf(s *corev1.Service, pod *corev1.Pod) string {
	if len(s.Spec.IPFamilies) > 0 {
		return addressIn(s.Spec.IPFamilies[0], pod)
	}
	return addressIn(corev1.IPv4Protocol, pod)
}

func addressIn(family corev1.IPFamily, pod *corev1.Pod) string {
	wantSix := family == corev1.IPv6Protocol
	for _, ip := range pod.Status.PodIPs {
		if strings.Contains(ip.IP, ":") == wantSix {
			return ip.IP
		}
	}
	return ""
}

// endpointPorts are the Service's ports as numbers of the Pod; those that it does not name are left out.
func endpointPorts(s *corev1.Service, pod *corev1.Pod) []corev1.EndpointPort {
	var ports []corev1.EndpointPort
	for i := range s.Spec.Ports {
		p := &s.Spec.Ports[i]
		if number := targetPort(p, pod); number != 0 {
			ports = append(ports, corev1.EndpointPort{Name: p.Name, Port: number, Protocol: p.Protocol})
		}
	}
	return ports
}

func targetPort(p *corev1.ServicePort, pod *corev1.Pod) int32 {
	if p.TargetPort.Type == intstr.Int {
		return p.TargetPort.IntVal
	}
	for _, containers := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range containers {
			for _, port := range containers[i].Ports {
				if port.Name == p.TargetPort.StrVal && port.Protocol == p.Protocol {
					return port.ContainerPort
				}
			}
		}
	}
	return 0
}
