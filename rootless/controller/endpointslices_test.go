package controller

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestEndpointSlices tells, in a line for each slice, its family, its ports, and the Pods with those of their conditions that are true.
func TestEndpointSlices(t *testing.T) {
	pods := []string{`web-1 10.0.0.1 ready http=8080`, `web-2 10.0.0.2 unready http=8080`, `web-3 10.0.0.3 ready http=9090`, `web-6 10.0.0.6 deleted http=8080`,
		`other 10.0.0.5 ready http=8080`, `web-7 10.0.0.7 ended http=8080`, `web-8 - unready http=8080`}
	var all []*corev1.Pod
	for _, text := range pods {
		all = append(all, podOf(text))
	}
	for spec, want := range map[string]string{
		`{"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 81, "protocol": "TCP"}]}`: `
IPv4 [81] 10.0.0.1:ready+serving 10.0.0.2: 10.0.0.3:ready+serving 10.0.0.6:terminating`,
		`{"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http", "protocol": "TCP"}], "ipFamilies": ["IPv6"]}`: `
IPv6 [8080] fd00::10.0.0.1:ready+serving fd00::10.0.0.2: fd00::10.0.0.6:terminating
IPv6 [9090] fd00::10.0.0.3:ready+serving`,
		`{"selector": {"app": "web"}, "publishNotReadyAddresses": true, "ports": [{"port": 80, "targetPort": 80, "protocol": "TCP"}]}`: `
IPv4 [80] 10.0.0.1:ready+serving 10.0.0.2:ready 10.0.0.3:ready+serving 10.0.0.6:ready+terminating`,
		`{"selector": {"app": "nobody"}, "ports": [{"port": 80}], "ipFamilies": ["IPv4", "IPv6"]}`: `
IPv4 []
IPv6 []`,
	} {
		s := &corev1.Service{}
		if err := json.Unmarshal([]byte(spec), &s.Spec); err != nil {
			t.Fatal(err)
		}
		s.Name, s.Namespace = "web", "default"
		var got strings.Builder
		names := map[string]bool{}
		for _, slice := range EndpointSlices(s, all) {
			names[slice.Name] = true
			var ports []int32
			for _, p := range slice.Ports {
				ports = append(ports, *p.Port)
			}
			fmt.Fprintf(&got, "\n%s %v", slice.AddressType, ports)
			for _, e := range slice.Endpoints {
				var conditions []string
				for i, is := range []*bool{e.Conditions.Ready, e.Conditions.Serving, e.Conditions.Terminating} {
					if *is {
						conditions = append(conditions, []string{"ready", "serving", "terminating"}[i])
					}
				}
				fmt.Fprintf(&got, " %s:%s", e.Addresses[0], strings.Join(conditions, "+"))
			}
			if slice.Labels["kubernetes.io/service-name"] != "web" || !strings.HasPrefix(slice.Name, "web-") {
				t.Errorf("%s has labels %v", slice.Name, slice.Labels)
			}
		}
		if got.String() != want || len(names) != strings.Count(want, "\n") {
			t.Errorf("%s: got%s\nwant%s\nnames %v", spec, got.String(), want, names)
		}
	}
}
