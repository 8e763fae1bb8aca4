package netstack

import (
	"net/netip"
	"testing"
)

// hostLoopbackIsOpen to the Pod that asks for it, and to no other.
func hostLoopbackIsOpen(t *testing.T, engine string) {
	h := openHub(t, Config{Engine: engine})
	open, closed := newTestPod(t), attachPod(t, h, "closed")
	var err error
	if open.addrs, err = h.Attach(open.netns, Endpoint{ID: "uid-open", Name: "open", Namespace: "default", HostLoopback: true}); err != nil {
		t.Fatal(err)
	}
	for inside, outside := range map[netip.Addr]string{HostLoopback4: "127.0.0.1", HostLoopback6: "::1"} {
		at := serveEcho(t, nil, netip.MustParseAddr(outside))
		to := netip.AddrPortFrom(inside, at.Port())
		if got := converse(t, open.dial(t, "tcp", to), "hello"); got != "hello" {
			t.Errorf("%s: got %q", inside, got)
		}
		packets := serveEchoPackets(t, nil, netip.MustParseAddr(outside))
		if got := converseUDP(t, open.dial(t, "udp", netip.AddrPortFrom(inside, packets.Port())), "hello"); got != outside+" hello" {
			t.Errorf("%s by UDP: got %q", inside, got)
		}
		if c, err := closed.tryDial("tcp", to); err == nil {
			c.Close()
			t.Errorf("%s is open to a Pod that did not ask", inside)
		}
		if c, err := open.tryDial("tcp", netip.AddrPortFrom(netip.MustParseAddr("169.254.1.3"), at.Port())); err == nil {
			c.Close()
			t.Error("another link-local address is open")
		}
	}
	names, err := resolver(closed, h.Gateway().V4, "udp").LookupHost(t.Context(), HostLoopbackName+".")
	if err != nil || len(names) != 1 || names[0] != HostLoopback4.String() {
		t.Errorf("%s: %v, %v", HostLoopbackName, names, err)
	}
}
