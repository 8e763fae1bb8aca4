package netstack

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/egress"
)

// ErrRefused says that a Pod may not reach a destination, whether or not somebody is there.
var ErrRefused = egress.ErrRefused

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

// Where a Pod with Endpoint.HostLoopback reaches 127.0.0.1 and ::1 of the host, and the name of the first. Programs mostly listen on 127.0.0.1
// only, so the name has no IPv6 address. Both addresses are outside of all ranges that a hub may choose: the first is link-local, which is closed
// otherwise and means nothing on another machine; the second is of candidates6's prefix.
var (
	HostLoopback4 = netip.MustParseAddr("169.254.1.2")
	HostLoopback6 = netip.MustParseAddr("fd70:6561:706f:ffff::1")
)

// HostLoopbackName is what Pods call it.
const HostLoopbackName = "host.peapod.internal"

// permit decides about each flow of a Pod, and where it goes: as egress.Config says.
func (h *Hub) permit(network string, src, dst netip.AddrPort) (netip.AddrPort, error) {
	if !h.present(src.Addr().Unmap()) {
		return dst, fmt.Errorf("%s is no pod's: %w", src.Addr(), ErrRefused)
	}
	if to, ours, err := h.target(network, src.Addr(), dst); err != nil || ours && h.inRanges(to.Addr()) {
		return to, err
	} else if ours { // a target that somebody has chosen by hand
		return to, refuse(to.Addr())
	}
	loopback := netip.IPv6Loopback()
	switch dst.Addr().Unmap() {
	case HostLoopback4:
		loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case HostLoopback6:
	default:
		return dst, refuse(dst.Addr(), h.v4, h.v6)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.known[h.pool.owner[src.Addr().Unmap()]].HostLoopback {
		return dst, fmt.Errorf("%s: %w", dst, ErrRefused)
	}
	return netip.AddrPortFrom(loopback, dst.Port()), nil
}

// present tells whether an address is that of a Pod which is not being taken off the network. A flow may turn up when its Pod has gone already: it has
// waited in a queue of the kernel. Nothing would ever end it.
func (h *Hub) present(a netip.Addr) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	id := h.pool.owner[a]
	return id != "" && !h.leaving[id]
}

// dialHost makes the host side of a Pod's flow, as egress.Config says.
func (h *Hub) dialHost(ctx context.Context, network string, src, dst netip.AddrPort) (net.Conn, error) {
	to, err := h.permit(network, src, dst)
	if err != nil {
		return nil, err
	}
	if network == "icmp" {
		return dialPing(to.Addr())
	}
	if h.inRanges(to.Addr()) {
		return h.dial(ctx, network, netip.AddrPort{}, to)
	}
	return hostDialer.DialContext(ctx, network, to.String())
}

// hostDialer dials for Pods. SO_BROADCAST, which package net sets, is taken away: a Pod must not reach all machines of
// the host's network at once.
var hostDialer = net.Dialer{
	Timeout: 2 * time.Minute,
	Control: func(_, _ string, c syscall.RawConn) error {
		return onSocket(c, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 0) })
	},
}

// dialPing makes a ping socket: icmp(7). The kernel lets the groups of net.ipv4.ping_group_range have them (for IPv6 too)
// and answers EACCES to others.
func dialPing(dst netip.Addr) (net.Conn, error) {
	domain, protocol := unix.AF_INET6, unix.IPPROTO_ICMPV6
	if dst.Is4() {
		domain, protocol = unix.AF_INET, unix.IPPROTO_ICMP
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	file := os.NewFile(uintptr(fd), "ping:"+dst.String())
	defer file.Close()
	if err := unix.Connect(fd, sockaddr(netip.AddrPortFrom(dst, 0))); err != nil {
		return nil, os.NewSyscallError("connect", err)
	}
	return net.FileConn(file)
}
