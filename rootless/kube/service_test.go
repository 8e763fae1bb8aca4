package kube

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

var testRanges = ServiceRanges{netip.MustParsePrefix("198.19.0.0/29"), netip.MustParsePrefix("fd00::/112")}

func serviceOf(name string, change func(*corev1.Service)) *corev1.Service {
	s := &corev1.Service{}
	s.Name, s.Namespace, s.Spec.Ports = name, "default", []corev1.ServicePort{{Name: "http", Port: 80}, {Name: "dns", Port: 53, Protocol: corev1.ProtocolUDP}}
	if change != nil {
		change(s)
	}
	defaultService(s)
	return s
}

func TestAllocateService(t *testing.T) {
	first := serviceOf("first", nil)
	if errs := AllocateService(first, nil, nil, testRanges, 0); len(errs) > 0 || first.Spec.ClusterIP != "198.19.0.1" {
		t.Errorf("the first: %v, %s", errs, first.Spec.ClusterIP)
	}
	both := corev1.IPFamilyPolicyPreferDualStack
	second := serviceOf("second", func(s *corev1.Service) { s.Spec.Type, s.Spec.IPFamilyPolicy = corev1.ServiceTypeNodePort, &both })
	errs := AllocateService(second, nil, []*corev1.Service{first}, testRanges, 2767)
	if len(errs) > 0 || !slices.Equal(second.Spec.ClusterIPs, []string{"198.19.0.2", "fd00::1"}) || second.Spec.Ports[0].NodePort != 32767 {
		t.Errorf("the second: %v, %+v", errs, second.Spec)
	}
	// What a manifest does not say stays; no port is given twice.
	again := serviceOf("second", func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeNodePort })
	if errs := AllocateService(again, second, []*corev1.Service{first, second}, testRanges, 5); len(errs) > 0 ||
		again.Spec.ClusterIP != "198.19.0.2" || again.Spec.Ports[0].NodePort != 32767 || again.Spec.Ports[1].NodePort != second.Spec.Ports[1].NodePort {
		t.Errorf("again: %v, %+v", errs, again.Spec)
	}
	for want, change := range map[string]func(*corev1.Service){
		"provided IP is already allocated":        func(s *corev1.Service) { s.Spec.ClusterIP = "198.19.0.1" },
		"does not match the current range":        func(s *corev1.Service) { s.Spec.ClusterIP = "10.0.0.1" },
		"provided port is already allocated":      func(s *corev1.Service) { s.Spec.Type, s.Spec.Ports[0].NodePort = "NodePort", 32767 },
		"The range of valid ports is 30000-32767": func(s *corev1.Service) { s.Spec.Type, s.Spec.Ports[0].NodePort = "NodePort", 80 },
	} {
		s := serviceOf("bad", change)
		if errs := AllocateService(s, nil, []*corev1.Service{first, second}, testRanges, 0); len(errs) != 1 || !strings.Contains(errs[0].Error(), want) {
			t.Errorf("%v, want %q", errs, want)
		}
	}
	var taken []*corev1.Service
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		s := serviceOf(name, nil)
		if errs := AllocateService(s, nil, taken, testRanges, 0); len(errs) > 0 {
			t.Errorf("%s: %v", name, errs)
		}
		taken = append(taken, s)
	}
	if errs := AllocateService(serviceOf("full", nil), nil, taken, testRanges, 0); len(errs) != 1 {
		t.Errorf("a full range: %v", errs)
	}
}

func TestServiceVariables(t *testing.T) {
	s := serviceOf("my-db", func(s *corev1.Service) { s.Spec.ClusterIP = "198.19.0.9" })
	none := serviceOf("none", func(s *corev1.Service) { s.Spec.ClusterIP = corev1.ClusterIPNone })
	want := []string{
		"MY_DB_SERVICE_HOST=198.19.0.9", "MY_DB_SERVICE_PORT=80", "MY_DB_SERVICE_PORT_HTTP=80", "MY_DB_SERVICE_PORT_DNS=53",
		"MY_DB_PORT=tcp://198.19.0.9:80",
		"MY_DB_PORT_80_TCP=tcp://198.19.0.9:80", "MY_DB_PORT_80_TCP_PROTO=tcp", "MY_DB_PORT_80_TCP_PORT=80", "MY_DB_PORT_80_TCP_ADDR=198.19.0.9",
		"MY_DB_PORT_53_UDP=udp://198.19.0.9:53", "MY_DB_PORT_53_UDP_PROTO=udp", "MY_DB_PORT_53_UDP_PORT=53", "MY_DB_PORT_53_UDP_ADDR=198.19.0.9",
	}
	if got := ServiceVariables([]*corev1.Service{s, none}); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
