package netstack

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestRelayRefusesItself: the relay's own ports are reachable at the gateway, as nobody holds a SYN to there; it must not relay to itself.
func TestRelayRefusesItself(t *testing.T) {
	h := openHub(t, Config{Engine: "relay"})
	pod := attachPod(t, h, "client")
	ports := h.engine.(relayEngine).relay.Ports()
	for _, to := range []netip.AddrPort{
		netip.AddrPortFrom(h.Gateway().V4, ports.TCP4), netip.AddrPortFrom(h.Gateway().V6, ports.TCP6),
	} {
		c, err := pod.tryDial("tcp", to)
		if err == nil {
			_ = c.SetDeadline(time.Now().Add(20 * time.Second))
			_, err = c.Read(make([]byte, 1))
			c.Close()
		}
		if !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("%s: got %v, want a reset", to, err)
		}
	}
}

// TestRelayWithoutQueue is what a kernel without packet queues gives: a refused connection is opened and then reset.
func TestRelayWithoutQueue(t *testing.T) {
	h := openHub(t, Config{Engine: "relay"})
	ports := h.engine.(relayEngine).relay.Ports()
	if ports.SYN == 0 || ports.Echo == 0 || ports.SYN == ports.Echo {
		t.Fatalf("queues %d and %d", ports.SYN, ports.Echo)
	}
	if err := h.thread.do(func() error { return installRuleSet(h.v4, h.v6, ports, nil) }); err != nil {
		t.Fatal(err)
	}
	pod := attachPod(t, h, "client")
	for _, addr := range families(hostAddrs) {
		if got := converse(t, pod.dial(t, "tcp", serveEcho(t, nil, addr)), "hello"); got != "hello" {
			t.Errorf("got %q", got)
		}
		c, err := pod.tryDial("tcp", netip.AddrPortFrom(addr, 1))
		if err == nil {
			_ = c.SetDeadline(time.Now().Add(20 * time.Second))
			_, err = c.Read(make([]byte, 1))
			c.Close()
		}
		if !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("%s: got %v, want a reset", addr, err)
		}
	}
}
