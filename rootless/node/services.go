package node

import (
	"errors"
	"maps"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/peapod/peapod/netstack"
	"github.com/peapod/peapod/rootless/controller"
	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/lifecycle"
)

// allocate gives a Service its addresses and ports of the host. Preconditions: n.applying is held.
func (n *Node) allocate(s, before *corev1.Service) error {
	var others []*corev1.Service
	objects, _ := n.registry.list(kube.Services, "")
	for _, o := range objects {
		others = append(others, o.(*corev1.Service))
	}
	var ranges kube.ServiceRanges
	ranges.IPv4, ranges.IPv6 = n.hub.ServiceRanges()
	if errs := kube.AllocateService(s, before, others, ranges, rand.IntN(1<<15)); len(errs) > 0 {
		return apierrors.NewInvalid(kube.Services.GroupKind(), s.Name, errs)
	}
	return nil
}

// serviceVariables are those of the Services in the Pod's namespace, if it wants them.
func (p *pod) serviceVariables() []string {
	object, err := p.node.registry.pod(p.namespace, p.name)
	if err != nil || object.Spec.EnableServiceLinks != nil && !*object.Spec.EnableServiceLinks {
		return nil
	}
	var services []*corev1.Service
	objects, _ := p.node.registry.list(kube.Services, p.namespace)
	for _, o := range objects {
		services = append(services, o.(*corev1.Service))
	}
	return kube.ServiceVariables(services)
}

// connected is what the network was told of Services.
type connected struct {
	services []netstack.Service
	names    map[string][]netip.Addr
}

// connectServices brings Endpoints up to date, and tells the network of all Services. It returns when to try again what failed.
func (n *Node) connectServices(now time.Time, there *observed) (retry time.Time) {
	pods := make([]*corev1.Pod, 0, len(there.objects[kube.Pods]))
	for _, o := range there.objects[kube.Pods] {
		pods = append(pods, o.(*corev1.Pod))
	}
	present := map[string]*corev1.Endpoints{}
	for _, o := range there.objects[kube.Endpoints] {
		present[keyOf(o)] = o.(*corev1.Endpoints)
	}
	other := otherAddresses(pods)
	next := connected{names: map[string][]netip.Addr{}}
	for _, o := range there.objects[kube.Services] {
		s, endpoints := o.(*corev1.Service), present[keyOf(o)]
		if len(s.Spec.Selector) > 0 {
			endpoints = controller.Endpoints(s, pods)
			err := n.saveEndpoints(s, endpoints, present[keyOf(o)])
			if err = errors.Join(err, n.saveSlices(s, controller.EndpointSlices(s, pods), there)); err != nil {
				n.log.Error("save endpoints", "object", keyOf(o), "error", err)
			}
		}
		if endpoints == nil {
			endpoints = &corev1.Endpoints{}
		}
		name := s.Name + "." + s.Namespace + ".svc." + n.hub.ClusterDomain()
		if kube.Headless(s) {
			maps.Copy(next.names, headlessNames(s, name, endpoints, other))
			continue
		}
		service := networkService(s, endpoints, other)
		next.names[name] = service.Addrs
		next.services = append(next.services, service)
	}
	if reflect.DeepEqual(next, n.connected) {
		return retry
	}
	n.hub.SetNames(next.names)
	failed := n.hub.SetServices(next.services)
	n.connected = next
	for _, o := range there.objects[kube.Services] {
		if err := failed[string(o.GetUID())]; err != nil {
			n.events.record(o, lifecycle.Emit{Type: corev1.EventTypeWarning, Reason: "FailedPublishPorts", Message: err.Error()})
			n.connected, retry = connected{}, now.Add(republishTime)
		}
	}
	return retry
}

// saveEndpoints stores what has changed. The Service is the owner: with it they go.
func (n *Node) saveEndpoints(s *corev1.Service, endpoints, present *corev1.Endpoints) error {
	if present == nil {
		endpoints.OwnerReferences = ownedByService(s)
		_, err := n.create(endpoints, false)
		return err
	}
	if equality.Semantic.DeepEqual(present.Subsets, endpoints.Subsets) && maps.Equal(present.Labels, endpoints.Labels) {
		return nil
	}
	_, err := n.registry.update(kube.Endpoints, s.Namespace, s.Name, func(o kube.Object) { kube.Endpoints.Adopt(o, endpoints) })
	return err
}

func ownedByService(s *corev1.Service) []metav1.OwnerReference {
	yes := true
	return []metav1.OwnerReference{{APIVersion: "v1", Kind: kube.Services.Name, Name: s.Name, UID: s.UID, Controller: &yes}}
}

// saveSlices makes those of a Service's EndpointSlices that are missing, changes those that are different, and removes the others.
func (n *Node) saveSlices(s *corev1.Service, wanted []*discoveryv1.EndpointSlice, there *observed) error {
	var errs []error
	present := map[string]*discoveryv1.EndpointSlice{}
	for _, o := range there.owned[s.UID] {
		if slice, ok := o.(*discoveryv1.EndpointSlice); ok {
			present[slice.Name] = slice
		}
	}
	for _, w := range wanted {
		old := present[w.Name]
		delete(present, w.Name)
		switch {
		case old == nil:
			w.OwnerReferences = ownedByService(s)
			_, err := n.create(w, false)
			errs = append(errs, err)
		case !equality.Semantic.DeepEqual(old.Endpoints, w.Endpoints) || !maps.Equal(old.Labels, w.Labels):
			_, err := n.registry.update(kube.EndpointSlices, w.Namespace, w.Name, func(o kube.Object) { kube.EndpointSlices.Adopt(o, w) })
			errs = append(errs, err)
		}
	}
	for _, old := range present {
		errs = append(errs, n.registry.remove(kube.EndpointSlices, old.Namespace, old.Name))
	}
	return errors.Join(errs...)
}

// otherAddresses are, for each address of a Pod, those of its other families.
func otherAddresses(pods []*corev1.Pod) map[string][]string {
	other := map[string][]string{}
	for _, pod := range pods {
		for _, a := range pod.Status.PodIPs {
			for _, b := range pod.Status.PodIPs {
				if a != b {
					other[a.IP] = append(other[a.IP], b.IP)
				}
			}
		}
	}
	return other
}

// networkService is a Service with what is ready, as the network wants it.
func networkService(s *corev1.Service, endpoints *corev1.Endpoints, other map[string][]string) netstack.Service {
	service := netstack.Service{ID: string(s.UID), Addrs: addrs(s.Spec.ClusterIPs), Sticky: s.Spec.SessionAffinity == corev1.ServiceAffinityClientIP}
	for i := range s.Spec.Ports {
		p := &s.Spec.Ports[i]
		port := netstack.ServicePort{Protocol: strings.ToLower(string(p.Protocol)), Port: uint16(p.Port), HostPort: uint16(p.NodePort)}
		for _, subset := range endpoints.Subsets {
			for _, to := range subset.Ports {
				if to.Name != p.Name || to.Protocol != p.Protocol {
					continue
				}
				for _, ip := range allAddrs(s, subset.Addresses, other) {
					port.Targets = append(port.Targets, netip.AddrPortFrom(ip, uint16(to.Port)))
				}
			}
		}
		service.Ports = append(service.Ports, port)
	}
	return service
}

// headlessNames lead to the Pods that are ready. Each has a name of its own in the Service from its subdomain (netstack.Endpoint).
func headlessNames(s *corev1.Service, name string, endpoints *corev1.Endpoints, other map[string][]string) map[string][]netip.Addr {
	names := map[string][]netip.Addr{name: nil}
	for _, subset := range endpoints.Subsets {
		names[name] = append(names[name], allAddrs(s, subset.Addresses, other)...)
	}
	return names
}

// allAddrs are addresses of endpoints in all families of the Service.
func allAddrs(s *corev1.Service, of []corev1.EndpointAddress, other map[string][]string) []netip.Addr {
	var ips []string
	for i := range of {
		ips = append(ips, of[i].IP)
		if len(s.Spec.IPFamilies) > 1 {
			ips = append(ips, other[of[i].IP]...)
		}
	}
	return addrs(ips)
}

// addrs leaves out what is no address.
func addrs(ips []string) []netip.Addr {
	var all []netip.Addr
	for _, ip := range ips {
		if a, err := netip.ParseAddr(ip); err == nil {
			all = append(all, a)
		}
	}
	return all
}
