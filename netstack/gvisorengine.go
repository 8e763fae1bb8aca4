package netstack

import (
	"errors"
	"net/netip"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/egress"
	"github.com/peapod/peapod/netstack/gvisor"
)

type gvisorEngine struct {
	engine *gvisor.Engine
	links  *rtnl

	mu        sync.Mutex
	answering map[published]bool // has a rule
}

// A published port of a Pod is what clients of the host are connected to by sockets of the hub's kernel, with their own addresses.
type published struct {
	network string
	at      netip.AddrPort
}

// An answerRouter is an engine that must be told which answers of Pods are not for it.
type answerRouter interface {
	routeAnswers(network string, from netip.AddrPort) error
}

// openGvisorEngine makes the hub's own kernel silent about what the engine answers, before the engine begins to.
func openGvisorEngine(h *Hub, cfg egress.Config) (engine, error) {
	if err := errors.Join(clearGvisorEngine(h), h.links.do(blackhole(unix.AF_INET, 0), blackhole(unix.AF_INET6, 0))); err != nil {
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
	return &gvisorEngine{engine: e, links: h.links, answering: map[published]bool{}}, nil
}

func clearGvisorEngine(h *Hub) error {
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		for {
			err := h.links.do(deleteAnyAnswerRule(family))
			if errors.Is(err, unix.ENOENT) {
				break
			}
			if err != nil {
				return err
			}
		}
	}
	return h.links.do(deleteBlackhole(unix.AF_INET), deleteBlackhole(unix.AF_INET6))
}

// routeAnswers has the hub's kernel take what a Pod sends from a published port: without nftables nothing can ask it first whether it has a
// socket for that. The rule stays until the Pod goes.
func (e *gvisorEngine) routeAnswers(network string, from netip.AddrPort) error {
	network = strings.TrimRight(network, "46")
	p := published{network, from}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.answering[p] {
		return nil
	}
	if err := e.links.do(answerRule(protocolOf(network), from)); err != nil {
		return err
	}
	e.answering[p] = true
	e.engine.Spare(network, from, true)
	return nil
}

func protocolOf(network string) uint8 {
	if network == "udp" {
		return unix.IPPROTO_UDP
	}
	return unix.IPPROTO_TCP
}

func (e *gvisorEngine) Drop(pod Addrs) {
	e.engine.Drop(pod.V4)
	e.engine.Drop(pod.V6)
	e.mu.Lock()
	defer e.mu.Unlock()
	for p := range e.answering {
		if p.at.Addr() != pod.V4 && p.at.Addr() != pod.V6 {
			continue
		}
		_ = e.links.do(deleteAnswerRule(protocolOf(p.network), p.at)) // if it stays, it concerns nobody
		delete(e.answering, p)
		e.engine.Spare(p.network, p.at, false)
	}
}

func (e *gvisorEngine) Close() error { return e.engine.Close() }

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
