package api

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
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
