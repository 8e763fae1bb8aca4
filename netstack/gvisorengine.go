package netstack

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/egress"
	"github.com/peapod/peapod/netstack/gvisor"
)

type gvisorEngine struct {
	engine *gvisor.Engine
}

// openGvisorEngine makes the hub's own kernel silent about what the engine answers, before the engine begins to.
func openGvisorEngine(h *Hub, cfg egress.Config) (engine, error) {
	if err := h.links.do(blackhole(unix.AF_INET), blackhole(unix.AF_INET6)); err != nil {
		return nil, err
	}
	gateway := h.Gateway()
	e, err := gvisor.Open(gvisor.Config{
		Config: cfg,
		Link:   int(h.bridge), MAC: [6]byte(hardwareAddr(gateway.V4)), MTU: linkMTU,
		Neighbour: h.neighbour,
		Gateway4:  gateway.V4, Gateway6: gateway.V6,
	})
	if err != nil {
		return nil, err
	}
	return gvisorEngine{e}, nil
}

func clearGvisorEngine(h *Hub) error {
	return h.links.do(deleteBlackhole(unix.AF_INET), deleteBlackhole(unix.AF_INET6))
}

func (e gvisorEngine) Drop(pod Addrs) {
	e.engine.Drop(pod.V4)
	e.engine.Drop(pod.V6)
}

func (e gvisorEngine) Close() error { return e.engine.Close() }

// neighbour is the MAC of the Pod with this address: its IPv4 address tells it, which has the same number in its range as the IPv6 address.
func (h *Hub) neighbour(a netip.Addr) (mac [6]byte, ok bool) {
	if h.v6.Contains(a) {
		a = nth(h.v4, numberOf(h.v6, a))
	}
	if !h.v4.Contains(a) {
		return mac, false
	}
	return [6]byte(hardwareAddr(a)), true
}
