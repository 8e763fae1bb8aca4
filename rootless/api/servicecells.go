package api

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
)

func serviceCells(s *corev1.Service, now time.Time) []any {
	var ports []string
	for i := range s.Spec.Ports {
		p := &s.Spec.Ports[i]
		text := fmt.Sprintf("%d/%s", p.Port, p.Protocol)
		if p.NodePort != 0 {
			text = fmt.Sprintf("%d:%d/%s", p.Port, p.NodePort, p.Protocol)
		}
		ports = append(ports, text)
	}
	return []any{
		s.Name, string(s.Spec.Type), orNone(s.Spec.ClusterIP), externalIP(s), orNone(strings.Join(ports, ",")), age(s.CreationTimestamp, now), labels.FormatLabels(s.Spec.Selector),
	}
}

func externalIP(s *corev1.Service) string {
	switch ips := strings.Join(s.Spec.ExternalIPs, ","); {
	case ips == "" && s.Spec.Type == corev1.ServiceTypeLoadBalancer:
		return "<pending>"
	default:
		return orNone(ips)
	}
}

// endpointsCells show three addresses, and how many more there are.
func endpointsCells(e *corev1.Endpoints, now time.Time) []any {
	const most = 3
	var all []string
	for _, subset := range e.Subsets {
		for i := range subset.Addresses {
			if len(subset.Ports) == 0 {
				all = append(all, subset.Addresses[i].IP)
			}
			for j := range subset.Ports {
				all = append(all, net.JoinHostPort(subset.Addresses[i].IP, strconv.Itoa(int(subset.Ports[j].Port))))
			}
		}
	}
	slices.Sort(all)
	text := orNone(strings.Join(all[:min(len(all), most)], ","))
	if more := len(all) - most; more > 0 {
		text += fmt.Sprintf(" + %d more...", more)
	}
	return []any{e.Name, text, age(e.CreationTimestamp, now)}
}

// endpointSliceCells show three ports and three addresses, and how many more there are.
func endpointSliceCells(e *discoveryv1.EndpointSlice, now time.Time) []any {
	const most = 3
	short := func(all []string) string {
		if more := len(all) - most; more > 0 {
			return fmt.Sprintf("%s + %d more...", strings.Join(all[:most], ","), more)
		}
		return strings.Join(all, ",")
	}
	var ports, addresses []string
	for _, p := range e.Ports {
		switch {
		case p.Port != nil:
			ports = append(ports, strconv.Itoa(int(*p.Port)))
		default:
			ports = append(ports, "*")
		}
	}
	for i := range e.Endpoints {
		addresses = append(addresses, e.Endpoints[i].Addresses...)
	}
	shown := []string{short(ports), short(addresses)}
	for i := range shown {
		if shown[i] == "" {
			shown[i] = unset
		}
	}
	return []any{e.Name, string(e.AddressType), shown[0], shown[1], age(e.CreationTimestamp, now)}
}
