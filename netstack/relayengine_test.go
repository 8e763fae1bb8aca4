package netstack

import (
	"net/netip"
	"testing"
)

// TestRelayRefusesItself: the relay's own ports are reachable at the gateway; it must not relay to itself.
func TestRelayRefusesItself(t *testing.T) {
	h := openHub(t, Config{Engine: "relay"})
	pod := attachPod(t, h, "client")
	ports := h.engine.(relayEngine).relay.Ports()
	closedToPod(t, pod, netip.AddrPortFrom(h.Gateway().V4, ports.TCP4))
	closedToPod(t, pod, netip.AddrPortFrom(h.Gateway().V6, ports.TCP6))
}
