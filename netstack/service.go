package netstack

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/rootless-containers/rootlesskit/v3/pkg/port"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/dns"
)

// A Service is one or two addresses in the ranges of ServiceRanges that stand for any of some Pods. A Pod's flow to one of its ports is dialed at one of the
// targets, from the hub: the Pod there sees the gateway as its client. Flows that run stay where they are when the targets change.
type Service struct {
	ID     string // not empty, another for each
	Addrs  []netip.Addr
	Ports  []ServicePort
	Sticky bool // clients of one address come to one target
}

// A ServicePort is one port of a Service.
type ServicePort struct {
	Protocol string // tcp or udp
	Port     uint16
	HostPort uint16           // a port of the host that leads here too; 0: none
	Targets  []netip.AddrPort // of any family; a flow keeps its own. Without any it is refused
}

// Where addresses of Services are. Nobody routes the first two: they are for benchmarks (RFC 2544).
var (
	serviceRanges4 = []netip.Prefix{netip.MustParsePrefix("198.19.0.0/16"), netip.MustParsePrefix("198.18.0.0/16")}
	serviceRange6  = netip.MustParsePrefix("fd70:6561:706f:fffe::/112")
)

// ServiceRanges returns the ranges for addresses of Services. Those without a Service refuse.
func (h *Hub) ServiceRanges() (v4, v6 netip.Prefix) {
	v4 = serviceRanges4[0]
	if v4.Overlaps(h.v4) {
		v4 = serviceRanges4[1]
	}
	return v4, serviceRange6
}

// serviceKey is what a Pod dials.
type serviceKey struct {
	network string // tcp or udp
	at      netip.AddrPort
}

// balanced are the targets of one port, of the family of the key's address.
type balanced struct {
	targets []netip.AddrPort
	sticky  bool
}

// pick chooses a target. One for a client's address is that with the highest hash of both: when a target goes, only its clients move.
func (b *balanced) pick(client netip.Addr) (to netip.AddrPort, ok bool) {
	if len(b.targets) == 0 {
		return to, false
	}
	if !b.sticky {
		return b.targets[rand.IntN(len(b.targets))], true
	}
	weight := func(t netip.AddrPort) uint64 {
		sum := fnv.New64a()
		_, _ = fmt.Fprintf(sum, "%s %s", t, client)
		mixed := sum.Sum64() // of which the last bytes have hardly reached the upper bits
		mixed = (mixed ^ mixed>>33) * 0xff51afd7ed558ccd
		return mixed ^ mixed>>33
	}
	best := b.targets[0]
	for _, t := range b.targets[1:] {
		if weight(t) > weight(best) {
			best = t
		}
	}
	return best, true
}

func balance(services []Service) map[serviceKey]*balanced {
	all := map[serviceKey]*balanced{}
	for _, s := range services {
		for _, addr := range s.Addrs {
			for _, p := range s.Ports {
				ofFamily := func(t netip.AddrPort) bool { return t.Addr().Is4() != addr.Is4() }
				all[serviceKey{p.Protocol, netip.AddrPortFrom(addr, p.Port)}] = &balanced{slices.DeleteFunc(slices.Clone(p.Targets), ofFamily), s.Sticky}
			}
		}
	}
	return all
}

// SetServices replaces all Services. The errors, by ID, are of ports of the host that could not be opened: *publish.InUse says that somebody has one. They are tried
// again with the next call.
func (h *Hub) SetServices(services []Service) map[string]error {
	h.mu.Lock()
	h.services = balance(services)
	h.mu.Unlock()
	h.publishing.Lock()
	defer h.publishing.Unlock()
	wanted := map[port.Spec]string{}
	for _, s := range services {
		for _, p := range s.Ports {
			for _, addr := range s.Addrs {
				if p.HostPort != 0 {
					wanted[port.Spec{Proto: p.Protocol, ParentPort: int(p.HostPort), ChildIP: addr.String(), ChildPort: int(p.Port)}] = s.ID
				}
			}
		}
	}
	for spec, id := range h.servicePorts {
		if _, stays := wanted[spec]; !stays {
			_ = h.ports.RemovePort(context.Background(), id) // fails only if it is gone
			delete(h.servicePorts, spec)
		}
	}
	failed := map[string]error{}
	for spec, service := range wanted {
		if _, open := h.servicePorts[spec]; open {
			continue
		}
		status, err := h.ports.AddPort(context.Background(), spec)
		if err != nil {
			failed[service] = errors.Join(failed[service], err)
			continue
		}
		h.servicePorts[spec] = status.ID
	}
	return failed
}

// target is where a flow to an address of a Service goes. ours is false if the address is of no Service.
func (h *Hub) target(network string, client netip.Addr, dst netip.AddrPort) (to netip.AddrPort, ours bool, err error) {
	v4, v6 := h.ServiceRanges()
	if !v4.Contains(dst.Addr()) && !v6.Contains(dst.Addr()) {
		return dst, false, nil
	}
	h.mu.Lock()
	b := h.services[serviceKey{network, dst}]
	h.mu.Unlock()
	if b != nil {
		if to, ok := b.pick(client); ok {
			return to, true, nil
		}
	}
	return dst, true, fmt.Errorf("%s: no pod is ready for it: %w", dst, unix.ECONNREFUSED)
}

// inRanges tells an address that is dialed from the hub.
func (h *Hub) inRanges(a netip.Addr) bool { return h.v4.Contains(a) || h.v6.Contains(a) }

// SetNames replaces all names, but for those of Pods, that the name server answers itself. They are whole; one without addresses exists and has none.
func (h *Hub) SetNames(names map[string][]netip.Addr) {
	records := []dns.Record{{Name: HostLoopbackName, Addrs: []netip.Addr{HostLoopback4}}}
	for name, addrs := range names {
		records = append(records, dns.Record{Name: name, Addrs: addrs})
	}
	h.dns.SetRecords(records)
}
