package controller

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"

	"github.com/peapod/peapod/rootless/kube"
)

// sliceManager is who keeps a slice, in the words of Kubernetes.
const sliceManager = "endpointslice-controller.k8s.io"

// EndpointSlices say the same as Endpoints for each family of the Service: a slice for each set of ports, or an empty one. Pods that end are in them too, by their
// conditions. Names are made of what tells the slices of a Service apart, so that each keeps its own.
func EndpointSlices(s *corev1.Service, pods []*corev1.Pod) []*discoveryv1.EndpointSlice {
	families := s.Spec.IPFamilies
	if len(families) == 0 {
		families = []corev1.IPFamily{corev1.IPv4Protocol}
	}
	var all []*discoveryv1.EndpointSlice
	for _, family := range families {
		of := map[string]*discoveryv1.EndpointSlice{}
		for _, pod := range pods {
			ip := addressIn(family, pod)
			if !kube.Selects(s, pod) || ip == "" || ended(pod) {
				continue
			}
			ports := endpointPorts(s, pod)
			if len(ports) == 0 && len(s.Spec.Ports) > 0 {
				continue
			}
			key := fmt.Sprint(ports)
			if of[key] == nil {
				of[key] = newSlice(s, family, ports)
			}
			of[key].Endpoints = append(of[key].Endpoints, endpointOf(s, pod, ip))
		}
		if len(of) == 0 {
			of[""] = newSlice(s, family, nil)
		}
		for _, key := range slices.Sorted(maps.Keys(of)) {
			slices.SortFunc(of[key].Endpoints, func(a, b discoveryv1.Endpoint) int { return cmp.Compare(a.Addresses[0], b.Addresses[0]) })
			all = append(all, of[key])
		}
	}
	return all
}

func newSlice(s *corev1.Service, family corev1.IPFamily, ports []corev1.EndpointPort) *discoveryv1.EndpointSlice {
	labels := maps.Clone(s.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[discoveryv1.LabelServiceName], labels[discoveryv1.LabelManagedBy] = s.Name, sliceManager
	if kube.Headless(s) {
		labels[corev1.IsHeadlessService] = ""
	}
	hash := fnv.New32a()
	fmt.Fprint(hash, family, ports)
	e := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Name: s.Name + "-" + rand.SafeEncodeString(fmt.Sprint(hash.Sum32())), GenerateName: s.Name + "-", Namespace: s.Namespace, Labels: labels,
		},
		AddressType: discoveryv1.AddressType(family), Endpoints: []discoveryv1.Endpoint{}, Ports: []discoveryv1.EndpointPort{},
	}
	for _, p := range ports {
		e.Ports = append(e.Ports, discoveryv1.EndpointPort{Name: &p.Name, Protocol: &p.Protocol, Port: &p.Port})
	}
	return e
}

func endpointOf(s *corev1.Service, pod *corev1.Pod, ip string) discoveryv1.Endpoint {
	serving, terminating, node := ready(pod), pod.DeletionTimestamp != nil, pod.Spec.NodeName
	takes := s.Spec.PublishNotReadyAddresses || serving && !terminating
	e := discoveryv1.Endpoint{
		Addresses: []string{ip}, NodeName: &node,
		Conditions: discoveryv1.EndpointConditions{Ready: &takes, Serving: &serving, Terminating: &terminating},
		TargetRef:  &corev1.ObjectReference{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
	}
	if hostname := pod.Spec.Hostname; pod.Spec.Subdomain == s.Name && hostname != "" {
		e.Hostname = &hostname
	}
	return e
}
