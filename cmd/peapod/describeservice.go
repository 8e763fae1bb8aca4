package main

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// describeNamespace prints what `kubectl describe namespace` prints.
func describeNamespace(w io.Writer, n *corev1.Namespace) error {
	p := newPage(w)
	p.line(0, "Name:\t%s", n.Name)
	p.pairs("Labels", n.Labels, "=")
	p.annotations(n.Annotations)
	p.line(0, "Status:\t%s", n.Status.Phase)
	return p.w.Flush()
}

// describeService prints what `kubectl describe service` prints.
func describeService(w io.Writer, s *corev1.Service, around *surroundings) error {
	p, spec := newPage(w), &s.Spec
	p.identify(s, func() {})
	p.line(0, "Selector:\t%s", labels.FormatLabels(spec.Selector))
	p.line(0, "Type:\t%s", spec.Type)
	if spec.IPFamilyPolicy != nil {
		p.line(0, "IP Family Policy:\t%s", *spec.IPFamilyPolicy)
	}
	var families []string
	for _, f := range spec.IPFamilies {
		families = append(families, string(f))
	}
	p.line(0, "IP Families:\t%s", commas(families))
	p.line(0, "IP:\t%s", spec.ClusterIP)
	p.line(0, "IPs:\t%s", commas(spec.ClusterIPs))
	if len(spec.ExternalIPs) > 0 {
		p.line(0, "External IPs:\t%s", commas(spec.ExternalIPs))
	}
	for i := range spec.Ports {
		port := &spec.Ports[i]
		name := port.Name
		if name == "" {
			name = "<unset>"
		}
		p.line(0, "Port:\t%s\t%d/%s", name, port.Port, port.Protocol)
		p.line(0, "TargetPort:\t%s/%s", port.TargetPort.String(), port.Protocol)
		if port.NodePort != 0 {
			p.line(0, "NodePort:\t%s\t%d/%s", name, port.NodePort, port.Protocol)
		}
		p.line(0, "Endpoints:\t%s", endpointsOf(around.slices, port.Name))
	}
	p.line(0, "Session Affinity:\t%s", spec.SessionAffinity)
	p.optional("External Traffic Policy", string(spec.ExternalTrafficPolicy))
	p.optional("Internal Traffic Policy", string(value(spec.InternalTrafficPolicy)))
	return p.end(around)
}

func commas(words []string) string {
	if len(words) == 0 {
		return "<none>"
	}
	return strings.Join(words, ",")
}

// endpointsOf are the addresses that are ready behind a port: three, and how many more there are.
func endpointsOf(slices []discoveryv1.EndpointSlice, port string) string {
	const most = 3
	if len(slices) == 0 {
		return "<none>"
	}
	var all []string
	for i := range slices {
		for _, p := range slices[i].Ports {
			if value(p.Name) != port || p.Port == nil {
				continue
			}
			for _, e := range slices[i].Endpoints {
				if e.Conditions.Ready == nil || *e.Conditions.Ready {
					all = append(all, net.JoinHostPort(e.Addresses[0], strconv.Itoa(int(*p.Port))))
				}
			}
		}
	}
	if more := len(all) - most; more > 0 {
		return fmt.Sprintf("%s + %d more...", strings.Join(all[:most], ","), more)
	}
	return strings.Join(all, ",")
}
