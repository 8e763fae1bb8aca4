package relay

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// An option is one boolean socket option.
type option struct{ level, name int }

// setOptions is for the Control hook of package net, which runs between socket(2) and bind(2).
func setOptions(options ...option) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var result error
		err := c.Control(func(fd uintptr) {
			for _, o := range options {
				if result = unix.SetsockoptInt(int(fd), o.level, o.name, 1); result != nil {
					return
				}
			}
		})
		if err != nil {
			return err
		}
		return result
	}
}

// transparent lets a socket have addresses that the machine does not have: ip(7), IP_TRANSPARENT, which needs CAP_NET_ADMIN in
// the user namespace of the network namespace.
func transparent(network string) option {
	if network[len(network)-1] == '6' {
		return option{unix.SOL_IPV6, unix.IPV6_TRANSPARENT}
	}
	return option{unix.SOL_IP, unix.IP_TRANSPARENT}
}

// originalDestination asks for each datagram's destination as ancillary data.
func originalDestination(network string) option {
	if network[len(network)-1] == '6' {
		return option{unix.SOL_IPV6, unix.IPV6_RECVORIGDSTADDR}
	}
	return option{unix.SOL_IP, unix.IP_RECVORIGDSTADDR}
}

// reuse lets the pod sides of many flows to one destination share that address. They differ in their peers.
var reuse = option{unix.SOL_SOCKET, unix.SO_REUSEADDR}

func anywhere(network string) string {
	if network[len(network)-1] == '6' {
		return "[::]:0"
	}
	return "0.0.0.0:0"
}

// listenStreams must run on a thread in the hub: package net calls socket(2) there, as the address is a literal one.
func listenStreams(network string) (*net.TCPListener, error) {
	config := net.ListenConfig{
		Control:         setOptions(transparent(network)),
		KeepAliveConfig: keepAlive,
	}
	config.SetMultipathTCP(false) // a transparent one is untried, and no Pod's peer is reached through it
	l, err := config.Listen(context.Background(), network, anywhere(network))
	if err != nil {
		return nil, fmt.Errorf("listen for tproxy: %w", err)
	}
	return l.(*net.TCPListener), nil
}

// listenPackets must run on a thread in the hub.
func listenPackets(network string) (*net.UDPConn, error) {
	config := net.ListenConfig{Control: setOptions(transparent(network), originalDestination(network), reuse)}
	c, err := config.ListenPacket(context.Background(), network, anywhere(network))
	if err != nil {
		return nil, fmt.Errorf("listen for tproxy: %w", err)
	}
	return c.(*net.UDPConn), nil
}

// dialPod makes the pod side of a UDP flow. It must run on a thread in the hub.
func dialPod(src, dst netip.AddrPort) (*net.UDPConn, error) {
	network := "udp6"
	if src.Addr().Is4() {
		network = "udp4"
	}
	dialer := net.Dialer{
		LocalAddr: net.UDPAddrFromAddrPort(dst),
		Control:   setOptions(transparent(network), reuse),
	}
	c, err := dialer.Dial(network, src.String())
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}
