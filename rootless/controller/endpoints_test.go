package controller

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestEndpoints tells, for a Service and some Pods, where the Service leads: ready addresses, then those that are not, then ports, in a line for each subset.
func TestEndpoints(t *testing.T) {
	pods := []string{
		`web-1 10.0.0.1 ready http=8080`, `web-2 10.0.0.2 unready http=8080`, `web-3 10.0.0.3 ready http=9090`, `web-4 10.0.0.4 ready other=1`,
		`other 10.0.0.5 ready http=8080`, `web-6 10.0.0.6 deleted http=8080`, `web-7 10.0.0.7 ended http=8080`, `web-8 - unready http=8080`,
	}
	for spec, want := range map[string]string{
		`{"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 81, "protocol": "TCP"}]}`: `
[10.0.0.1 10.0.0.3 10.0.0.4] [10.0.0.2] [81]`,
		`{"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http", "protocol": "TCP"}]}`: `
[10.0.0.1] [10.0.0.2] [8080]
[10.0.0.3] [] [9090]`,
		`{"selector": {"app": "web"}, "publishNotReadyAddresses": true, "ports": [{"port": 80, "targetPort": 80, "protocol": "TCP"}]}`: `
[10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.6] [] [80]`,
		`{"selector": {"app": "web"}, "ipFamilies": ["IPv6"], "clusterIP": "None"}`: `
[fd00::10.0.0.1 fd00::10.0.0.3 fd00::10.0.0.4] [fd00::10.0.0.2] []`,
		`{"selector": {"app": "nobody"}, "ports": [{"port": 80}]}`: ``,
	} {
		s := &corev1.Service{}
		if err := json.Unmarshal([]byte(spec), &s.Spec); err != nil {
			t.Fatal(err)
		}
		s.Namespace = "default"
		var all []*corev1.Pod
		for _, text := range pods {
			all = append(all, podOf(text))
		}
		var got strings.Builder
		for _, subset := range Endpoints(s, all).Subsets {
			var ports []int32
			for _, p := range subset.Ports {
				ports = append(ports, p.Port)
			}
			fmt.Fprintf(&got, "\n%v %v %v", ips(subset.Addresses), ips(subset.NotReadyAddresses), ports)
		}
		if got.String() != want {
			t.Errorf("%s: got%s\nwant%s", spec, got.String(), want)
		}
	}
}

func ips(addresses []corev1.EndpointAddress) (all []string) {
	for i := range addresses {
		all = append(all, addresses[i].IP)
	}
	return all
}

// podOf reads: name, address, state, name of a port and its number.
func podOf(text string) *corev1.Pod {
	var state, ip, port string
	pod := &corev1.Pod{}
	_, _ = fmt.Sscan(text, &pod.Name, &ip, &state, &port)
	app, _, _ := strings.Cut(pod.Name, "-")
	name, number, _ := strings.Cut(port, "=")
	pod.Namespace, pod.Labels = "default", map[string]string{"app": app}
	pod.Spec.Containers = []corev1.Container{{Ports: []corev1.ContainerPort{{Name: name, Protocol: corev1.ProtocolTCP}}}}
	_, _ = fmt.Sscan(number, &pod.Spec.Containers[0].Ports[0].ContainerPort)
	if ip != "-" {
		pod.Status.PodIPs = []corev1.PodIP{{IP: ip}, {IP: "fd00::" + ip}}
	}
	switch state {
	case "ready":
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	case "deleted":
		pod.DeletionTimestamp = &pod.CreationTimestamp
	case "ended":
		pod.Status.Phase = corev1.PodSucceeded
	}
	return pod
}
