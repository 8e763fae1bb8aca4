package netstack

import (
	"errors"
	"io"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/publish"
)

// services: an address that no Pod has leads to one of the targets, from Pods, from a target itself and from the host; without targets it refuses.
func services(t *testing.T, engine string) {
	h := openHub(t, Config{Engine: engine})
	web, client := attachPod(t, h, "web"), attachPod(t, h, "client")
	number, packets := serveWho(t, web), serveEchoPackets(t, web, netip.IPv6Unspecified())
	v4, v6 := h.ServiceRanges()
	v4Addr, v6Addr := v4.Addr().Next(), v6.Addr().Next()
	hostPort := freePort(t)
	s := Service{ID: "web", Addrs: []netip.Addr{v4Addr, v6Addr}, Ports: []ServicePort{
		{Protocol: "tcp", Port: 80, HostPort: hostPort, Targets: []netip.AddrPort{netip.AddrPortFrom(web.addrs.V4, number), netip.AddrPortFrom(web.addrs.V6, number)}},
		{Protocol: "udp", Port: 80, Targets: []netip.AddrPort{netip.AddrPortFrom(web.addrs.V4, packets.Port()), netip.AddrPortFrom(web.addrs.V6, packets.Port())}},
		{Protocol: "tcp", Port: 81},
	}}
	if failed := h.SetServices([]Service{s}); len(failed) > 0 {
		t.Fatal(failed)
	}
	for at, gateway := range map[netip.Addr]netip.Addr{v4Addr: h.Gateway().V4, v6Addr: h.Gateway().V6} {
		for _, from := range []*testPod{client, web} {
			if got, _ := io.ReadAll(from.dial(t, "tcp", netip.AddrPortFrom(at, 80))); string(got) != gateway.String() {
				t.Errorf("%s: the client is seen as %q, want the gateway", at, got)
			}
		}
		if got := converseUDP(t, client.dial(t, "udp", netip.AddrPortFrom(at, 80)), "hello"); got != gateway.String()+" hello" {
			t.Errorf("%s by UDP: got %q", at, got)
		}
		for _, to := range []netip.AddrPort{netip.AddrPortFrom(at, 81), netip.AddrPortFrom(at, 82), netip.AddrPortFrom(at.Next(), 80)} {
			if c, err := client.tryDial("tcp", to); !errors.Is(err, unix.ECONNREFUSED) {
				if err == nil {
					_, err = c.Read(make([]byte, 1)) // where the kernel cannot hold a SYN
					c.Close()
				}
				if err == nil {
					t.Errorf("%s answers", to)
				}
			}
		}
	}
	host := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), hostPort)
	if got := askWho(t, netip.AddrPortFrom(host.Addr(), 0), host); got != h.Gateway().V4.String() {
		t.Errorf("by the host's port: seen as %s", got)
	}
	// The port belongs to the Service until that goes.
	other := Service{ID: "other", Addrs: []netip.Addr{v4Addr.Next()}, Ports: []ServicePort{{Protocol: "tcp", Port: 80, HostPort: hostPort}}}
	var taken *publish.InUse
	if failed := h.SetServices([]Service{s, other}); len(failed) != 1 || !errors.As(failed["other"], &taken) {
		t.Errorf("a port that a Service has: %v", failed)
	}
	if failed := h.SetServices([]Service{other}); len(failed) > 0 {
		t.Error(failed)
	}
	if c, err := client.tryDial("tcp", netip.AddrPortFrom(v4Addr, 80)); err == nil {
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a Service that is gone answers")
		}
		c.Close()
	}
}

// What a user names as a target is as closed as what a Pod dials.
func TestServiceTargetsOutside(t *testing.T) {
	h := openHub(t, Config{})
	pod := attachPod(t, h, "pod")
	v4, _ := h.ServiceRanges()
	targets := []netip.AddrPort{serveEcho(t, nil, netip.MustParseAddr("127.0.0.1")), serveEcho(t, nil, hostV4)}
	for i, works := range []bool{false, true} {
		h.SetServices([]Service{{ID: "out", Addrs: []netip.Addr{v4.Addr()}, Ports: []ServicePort{{Protocol: "tcp", Port: 1, Targets: targets[i : i+1]}}}})
		c, err := pod.tryDial("tcp", netip.AddrPortFrom(v4.Addr(), 1))
		if works && (err != nil || converse(t, c, "hello") != "hello") {
			t.Errorf("%s: %v", targets[i], err)
		} else if !works && err == nil {
			c.Close()
			t.Errorf("%s is open", targets[i])
		}
	}
}

// A sticky port keeps a client at its target as long as that is there, and spreads clients.
func TestPickSticky(t *testing.T) {
	targets := []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:1"), netip.MustParseAddrPort("10.0.0.2:1"), netip.MustParseAddrPort("10.0.0.3:1")}
	all, fewer := &balanced{targets, true}, &balanced{targets[1:], true}
	seen := map[netip.AddrPort]bool{}
	client := netip.MustParseAddr("10.1.0.1")
	for range 50 {
		first, _ := all.pick(client)
		again, _ := all.pick(client)
		later, _ := fewer.pick(client)
		if first != again || first != targets[0] && later != first {
			t.Errorf("%s: %s, then %s, with fewer targets %s", client, first, again, later)
		}
		seen[first] = true
		client = client.Next()
	}
	if len(seen) != len(targets) {
		t.Errorf("fifty clients came to %d of %d targets", len(seen), len(targets))
	}
}
