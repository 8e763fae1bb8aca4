package netstack

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/dns"
)

// An Endpoint is one Pod on the network.
type Endpoint struct {
	ID        string // the Pod's UID: not empty, without spaces, at most 128 bytes
	Name      string
	Namespace string
	Hostname  string // another name in the same namespace, if it differs from Name
	Subdomain string // with it, <Hostname>.<Subdomain>.<Namespace>.svc is a name of the Pod
	Addrs     Addrs  // zero: any free ones
	// HostLoopback opens the host's loopback: see HostLoopback4.
	HostLoopback bool
	// Bandwidth is set when the Pod is attached, and stays.
	Bandwidth Bandwidth
}

func (e Endpoint) check() error {
	if e.ID == "" || len(e.ID) > 128 || strings.ContainsAny(e.ID, " \x00") {
		return fmt.Errorf("endpoint ID %q: want 1 to 128 bytes without spaces", e.ID)
	}
	return nil
}

// Attach connects a Pod's network namespace with the hub: lo and eth0 are up, with addresses and default routes, when it
// returns, and the Pod's names resolve. An ID that has addresses keeps them. A veth that the ID had before is replaced. On an
// error nothing of it stays.
func (h *Hub) Attach(podNetns *os.File, e Endpoint) (Addrs, error) {
	addrs, err := h.attach(podNetns, e)
	if err != nil {
		return Addrs{}, fmt.Errorf("attach pod %s to the network: %w", e.ID, err)
	}
	return addrs, nil
}

func (h *Hub) attach(podNetns *os.File, e Endpoint) (Addrs, error) {
	pod, err := h.visitPod(podNetns)
	if err != nil {
		return Addrs{}, err
	}
	defer pod.close()
	if e.Addrs, err = h.claim(e); err != nil {
		return Addrs{}, err
	}
	for _, step := range []func() error{
		func() error { return h.plug(podNetns, e) },
		func() error { return h.shapePod(pod, e) },
		func() error { return h.configurePod(pod, e.Addrs) },
		func() error { return h.awaitPod(pod, e) },
	} {
		if err := step(); err != nil {
			return Addrs{}, errors.Join(err, h.Detach(e.ID))
		}
	}
	h.learn(e)
	return e.Addrs, nil
}

// visitPod opens a routing socket in the Pod's namespace, and prepares the namespace for a new link.
func (h *Hub) visitPod(podNetns *os.File) (pod *rtnl, err error) {
	err = h.thread.visit(podNetns, func() error {
		if err := setSysctls(sysctlsOfPod)(); err != nil {
			return err
		}
		pod, err = openRtnl()
		return err
	})
	return pod, err
}

// claim reserves the endpoint's addresses.
func (h *Hub) claim(e Endpoint) (Addrs, error) {
	if err := e.check(); err != nil {
		return Addrs{}, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.Addrs.IsZero() {
		return h.pool.allocate(e.ID)
	}
	return e.Addrs, h.pool.reserve(e.ID, e.Addrs)
}

// plug creates the veth. One that is there under this name led to an earlier namespace of the same Pod.
func (h *Hub) plug(podNetns *os.File, e Endpoint) error {
	name := linkName(e.ID)
	create := []*message{
		newVeth(name, h.bridge, int(podNetns.Fd()), hardwareAddr(e.Addrs.V4)),
		setAlias(name, aliasOf(e.ID, e.Addrs)),
	}
	err := h.links.do(create...)
	if errors.Is(err, unix.EEXIST) {
		err = h.links.do(append([]*message{delLink(name)}, create...)...)
	}
	return err
}

func (h *Hub) configurePod(pod *rtnl, addrs Addrs) error {
	eth, err := pod.link(podLink)
	if err != nil {
		return err
	}
	gateway := h.Gateway()
	return pod.do(
		linkUp(loopbackIndex),
		linkUp(eth.index),
		newAddress(eth.index, netip.PrefixFrom(addrs.V4, h.v4.Bits())),
		newAddress(eth.index, netip.PrefixFrom(addrs.V6, h.v6.Bits())),
		defaultRoute(eth.index, gateway.V4),
		defaultRoute(eth.index, gateway.V6),
	)
}

// awaitPod waits for all that a packet passes: the Pod's end and its address, the bridge's port, and the bridge itself, which
// is down while it has no port.
func (h *Hub) awaitPod(pod *rtnl, e Endpoint) error {
	if err := pod.awaitUp(podLink); err != nil {
		return err
	}
	for _, name := range []string{linkName(e.ID), bridgeName} {
		if err := h.links.awaitUp(name); err != nil {
			return err
		}
	}
	if err := h.links.awaitLocal(h.Gateway().V6); err != nil {
		return err
	}
	return pod.awaitLocal(e.Addrs.V6)
}

// Adopt tells the hub about a Pod that is attached already, after a change of process: its addresses stay its own and its names
// resolve. Zero addresses mean those that the kernel has written down for the ID. Adopt every Pod before attaching new ones.
func (h *Hub) Adopt(e Endpoint) error {
	if err := e.check(); err != nil {
		return fmt.Errorf("adopt pod: %w", err)
	}
	h.mu.Lock()
	present, ok := h.pool.byID[e.ID]
	h.mu.Unlock()
	if e.Addrs.IsZero() {
		if !ok {
			return fmt.Errorf("adopt pod %s: it has no link in the hub and no addresses were given", e.ID)
		}
		e.Addrs = present
	}
	if _, err := h.claim(e); err != nil {
		return fmt.Errorf("adopt pod %s: %w", e.ID, err)
	}
	h.learn(e)
	return nil
}

// Detach takes a Pod off the network: its ports, veth, names, addresses and flows. A Pod that is not there is no error.
func (h *Hub) Detach(id string) error {
	h.Unpublish(id)
	h.mu.Lock()
	addrs, ok := h.pool.byID[id]
	h.leaving[id] = true // from here on no flow begins, and those that have begun are ended below
	delete(h.known, id)
	h.tellDNS()
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.leaving, id)
		h.mu.Unlock()
	}()
	if err := h.links.do(delLink(linkName(id))); err != nil {
		return fmt.Errorf("detach pod %s from the network: %w", id, err)
	}
	if ok {
		h.engine.Drop(addrs)
	}
	// Released last: whoever gets the addresses next must not find the old link or flows.
	h.mu.Lock()
	h.pool.release(id)
	h.mu.Unlock()
	return nil
}

// Attached lists the IDs that hold addresses, in order: those attached or adopted by this process, and those found in the
// kernel when the hub was opened.
func (h *Hub) Attached() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	ids := make([]string, 0, len(h.pool.byID))
	for id := range h.pool.byID {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (h *Hub) learn(e Endpoint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.known[e.ID] = e
	h.tellDNS()
}

// tellDNS gives the name server the present set of names. Precondition: h.mu is held.
func (h *Hub) tellDNS() {
	hosts := make([]dns.Host, 0, len(h.known))
	for _, e := range h.known {
		names := []string{e.Name}
		if e.Hostname != "" && e.Hostname != e.Name {
			names = append(names, e.Hostname)
		}
		hosts = append(hosts, dns.Host{Names: names, Subdomain: e.Subdomain, Namespace: e.Namespace, Addrs: []netip.Addr{e.Addrs.V4, e.Addrs.V6}})
	}
	h.dns.SetHosts(hosts)
}

// ClusterDomain is the domain of all names of Pods.
func (h *Hub) ClusterDomain() string { return h.cfg.ClusterDomain }

// SearchDomains are the domains for the resolv.conf of a Pod in a namespace: with them the name of a Pod in the same
// namespace is enough, and <name>.<namespace> for one elsewhere. The first three are the kubelet's.
func (h *Hub) SearchDomains(namespace string) []string {
	domain := h.cfg.ClusterDomain
	return []string{namespace + ".svc." + domain, "svc." + domain, domain, namespace + ".pod." + domain, "pod." + domain}
}
