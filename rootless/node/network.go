package node

import (
	"fmt"
	"net/netip"
	"os"

	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/netstack"
	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/lifecycle"
	"github.com/peapod/peapod/rootless/sandbox"
)

// names are what a Pod is called by itself.
func (n *Node) names(object *corev1.Pod) (kube.Names, error) {
	return kube.NamesOf(object, n.hub.ClusterDomain(), n.name)
}

// joinNetwork connects a new sandbox, opens its ports at the host, and returns what its files are to say.
func (p *pod) joinNetwork(object *corev1.Pod, s *sandbox.Sandbox) (n podNetwork, err error) {
	host, _ := os.ReadFile("/etc/resolv.conf") // a host without one has no search domains
	n.Host = string(host)
	if object.Spec.HostNetwork {
		return p.useHostNetwork(object, n)
	}
	endpoint, err := p.endpoint(object)
	if err != nil {
		return n, err
	}
	netns, err := s.NetworkNamespace()
	if err != nil {
		return n, err
	}
	defer netns.Close()
	hub := p.node.hub
	addrs, err := hub.Attach(netns, endpoint)
	if err != nil {
		return n, err
	}
	gateway := hub.Gateway()
	n.IPs, n.Resolvers, n.Search = []netip.Addr{addrs.V4, addrs.V6}, []netip.Addr{gateway.V4, gateway.V6}, hub.SearchDomains(p.namespace)
	return n, p.publishPorts(object)
}

// useHostNetwork is joinNetwork of a Pod that stays in the host's network.
func (p *pod) useHostNetwork(object *corev1.Pod, n podNetwork) (podNetwork, error) {
	hosts, err := os.ReadFile("/etc/hosts")
	if err != nil {
		return n, err
	}
	n.Hosts = string(hosts)
	for _, ip := range hostIPs() {
		n.IPs = append(n.IPs, netip.MustParseAddr(ip))
	}
	if object.Spec.DNSPolicy == corev1.DNSClusterFirstWithHostNet {
		p.node.events.record(object, lifecycle.Emit{Type: corev1.EventTypeWarning, Reason: "MissingClusterDNS", Message: fmt.Sprintf(
			"the name server for Pods cannot be reached from the host's network: cannot create Pod using %q policy. Falling back to %q policy.",
			corev1.DNSClusterFirstWithHostNet, corev1.DNSDefault)})
	}
	return n, nil
}

func (p *pod) endpoint(object *corev1.Pod) (netstack.Endpoint, error) {
	names, err := p.node.names(object)
	ingress, egress, _ := kube.Bandwidth(object) // which was checked when the Pod was taken
	return netstack.Endpoint{
		ID: string(p.uid), Name: p.name, Namespace: p.namespace, Hostname: names.Host, Subdomain: object.Spec.Subdomain,
		HostLoopback: object.Annotations[hostLoopback] == "true", Bandwidth: netstack.Bandwidth{ToPod: ingress, FromPod: egress},
	}, err
}

// hostLoopback is the annotation that opens the host's loopback to a Pod, at host.peapod.internal. It counts when the Pod is
// connected: at the beginning, and again with each node.
const hostLoopback = "peapod.io/host-loopback"

// adoptNetwork tells the hub about a Pod that an earlier node connected.
func (p *pod) adoptNetwork(object *corev1.Pod) error {
	if object.Spec.HostNetwork {
		return nil
	}
	endpoint, err := p.endpoint(object)
	if err != nil {
		return err
	}
	if endpoint.Addrs, err = parseAddrs(p.facts.Sandbox.IPs); err != nil {
		return err
	}
	return p.node.hub.Adopt(endpoint)
}

func parseAddrs(ips []string) (a netstack.Addrs, err error) {
	if len(ips) != 2 {
		return a, fmt.Errorf("addresses %q: want one of each family", ips)
	}
	if a.V4, err = netip.ParseAddr(ips[0]); err != nil {
		return a, err
	}
	a.V6, err = netip.ParseAddr(ips[1])
	return a, err
}
