package netstack

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// routesChange: as when a VPN comes and goes. What has no route has one from the moment the host has, by the host's new address, and none when it is gone.
func routesChange(t *testing.T, engine string) {
	pod := attachPod(t, openHub(t, Config{Engine: engine}), "client")
	host, err := openRtnl()
	if err != nil {
		t.Fatal(err)
	}
	defer host.close()
	for _, far := range []netip.Addr{netip.MustParseAddr("203.0.113.4"), netip.MustParseAddr("2001:db8:1::4")} {
		absent := func(when string) {
			if _, err := pod.tryDial("tcp", netip.AddrPortFrom(far, 1)); !errors.Is(err, unix.ENETUNREACH) {
				t.Errorf("%s %s the route: %v", far, when, err)
			}
		}
		absent("before")
		there := netip.PrefixFrom(far, far.BitLen())
		err := host.do(newAddress(loopbackIndex, there))
		if err == nil && far.Is6() {
			err = host.awaitLocal(far)
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := converse(t, pod.dial(t, "tcp", serveEcho(t, nil, far)), "hello"); got != "hello" {
			t.Errorf("%s: got %q", far, got)
		}
		if got, want := converseUDP(t, pod.dial(t, "udp", serveEchoPackets(t, nil, far)), "hello"), far.String()+" hello"; got != want {
			t.Errorf("%s: got %q", far, got)
		}
		if err := host.do(deleteAddress(loopbackIndex, there)); err != nil {
			t.Fatal(err)
		}
		absent("after")
	}
}

func deleteAddress(index int32, p netip.Prefix) *message {
	m := newAddress(index, p)
	m.what, m.kind, m.flags = "delete address "+p.String(), unix.RTM_DELADDR, unix.NLM_F_REQUEST
	return m
}
