package netstack

import (
	"errors"
	"fmt"
	"net/netip"
)

// ErrRefused says that a Pod may not reach a destination, whether or not somebody is there.
var ErrRefused = errors.New("destination is closed to pods")

// refuse is the egress policy: what only this host itself should reach, and what is not one machine, is closed.
// Link-local holds the metadata services of clouds, which give out credentials. The ranges themselves come here only when a Pod
// connects to the engine's own port on the gateway.
func refuse(dst netip.Addr, ranges ...netip.Prefix) error {
	dst = dst.Unmap()
	closed := !dst.IsValid() || dst.IsUnspecified() || dst.IsLoopback() || dst.IsMulticast() ||
		dst.IsLinkLocalUnicast() || dst == netip.AddrFrom4([4]byte{255, 255, 255, 255})
	if dst.Is4() && dst.As4()[0] == 0 {
		closed = true // "this network" of RFC 1122: Linux takes 0.0.0.0 for itself
	}
	for _, r := range ranges {
		closed = closed || r.Contains(dst)
	}
	if closed {
		return fmt.Errorf("%s: %w", dst, ErrRefused)
	}
	return nil
}
