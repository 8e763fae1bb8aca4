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

// permit decides about each flow of a Pod, and where on the host's network it goes: as egress.Config says.
func (h *Hub) permit(_ string, _, dst netip.AddrPort) (netip.AddrPort, error) {
	return dst, refuse(dst.Addr(), h.v4, h.v6)
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
