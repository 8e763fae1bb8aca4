package egress

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
)

// Config is what an engine needs from its surroundings.
type Config struct {
	// V4 and V6 are the ranges of the Pods. What goes from one address in them to another is not the engine's.
	V4, V6 netip.Prefix
	// Gateway4 and Gateway6 are the hub's own addresses, which speak for what is on the way to a destination.
	Gateway4, Gateway6 netip.Addr
	// InHub runs a function on a thread that is in the hub's network namespace, and returns its error. The function must not
	// block for long.
	InHub func(func() error) error
	// Permit is the policy alone: it gives the address that a flow from src to dst is to be dialed at, which is dst as a rule, or an error. An
	// address in the ranges is dialed from the hub, any other from the host. For engines that make their sockets themselves. It does not block.
	Permit func(network string, src, dst netip.AddrPort) (netip.AddrPort, error)
	// Dial makes the host side of a flow from src to dst, as ordinary sockets of the host, or of the hub, if Permit does. The network and
	// what comes back are:
	//
	//	tcp   *net.TCPConn, connected
	//	udp   *net.UDPConn, connected
	//	icmp  *net.UDPConn, a connected ping socket: a Write is one ICMP or ICMPv6 echo request from its type on, of which the
	//	      kernel sets identifier and checksum; a Read is one reply. The ports of src and dst are zero.
	//
	// OutcomeOf explains its errors.
	Dial func(ctx context.Context, network string, src, dst netip.AddrPort) (net.Conn, error)
	// Limits bound what Pods can make the engine hold.
	Limits Limits
	// Log gets each refused flow at debug level, and what goes wrong in the engine itself. It may be nil.
	Log *slog.Logger
}

// Beside runs a function that makes a socket for an address that Permit gave, where that is to be.
func (c Config) Beside(to netip.Addr, makeSocket func() error) error {
	if c.V4.Contains(to) || c.V6.Contains(to) {
		return c.InHub(makeSocket)
	}
	return makeSocket()
}

// WithDefaults fills in what is missing of limits and log.
func (c Config) WithDefaults() Config {
	c.Limits = c.Limits.withDefaults()
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}
