package relay

import (
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// An option is one integer socket option.
type option struct{ level, name, value int }

// newSocket makes a socket that does not block, in the network namespace of the calling thread.
func newSocket(domain, kind, protocol int, options ...option) (int, error) {
	fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := setOptions(fd, options); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func setOptions(fd int, options []option) error {
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return nil
}

// inHub are the options of a socket that may have addresses which the machine does not have: ip(7), IP_TRANSPARENT, which needs
// CAP_NET_ADMIN in the user namespace of the network namespace. One of IPv6 does not take IPv4 as well.
func inHub(domain int, more ...option) []option {
	if domain == unix.AF_INET6 {
		return append(more, option{unix.SOL_IPV6, unix.IPV6_TRANSPARENT, 1}, option{unix.SOL_IPV6, unix.IPV6_V6ONLY, 1})
	}
	return append(more, option{unix.SOL_IP, unix.IP_TRANSPARENT, 1})
}

// originalDestination asks for each datagram's destination as ancillary data.
func originalDestination(domain int) option {
	if domain == unix.AF_INET6 {
		return option{unix.SOL_IPV6, unix.IPV6_RECVORIGDSTADDR, 1}
	}
	return option{unix.SOL_IP, unix.IP_RECVORIGDSTADDR, 1}
}

// reuse lets the pod sides of many flows to one destination share that address. They differ in their peers.
var reuse = option{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1}

// streamOptions are those of every TCP socket, and accepted ones have them of their listener. What one side sends at once the other
// is to send at once. Keep-alive finds peers that vanished without a word, on both sides: the Pod's own probes end at the hub, so
// somebody has to.
var streamOptions = []option{
	{unix.SOL_SOCKET, unix.SO_OOBINLINE, 1},
	{unix.SOL_TCP, unix.TCP_NODELAY, 1},
	{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
	{unix.SOL_TCP, unix.TCP_KEEPIDLE, 120},
	{unix.SOL_TCP, unix.TCP_KEEPINTVL, 30},
	{unix.SOL_TCP, unix.TCP_KEEPCNT, 6},
}

// openStream makes the host side of a TCP flow.
func openStream(to netip.Addr) (int, error) {
	return newSocket(familyOf(to), unix.SOCK_STREAM, 0, streamOptions...)
}

// openListener listens for TCP connections to everywhere. It must run on a thread in the hub.
func openListener(domain int) (fd int, port uint16, err error) {
	fd, err = newSocket(domain, unix.SOCK_STREAM, 0, inHub(domain, streamOptions...)...)
	if err != nil {
		return -1, 0, fmt.Errorf("listen for tproxy: %w", err)
	}
	port, err = bindAnywhere(fd, domain)
	if err == nil {
		err = os.NewSyscallError("listen", unix.Listen(fd, backlog))
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, 0, fmt.Errorf("listen for tproxy: %w", err)
	}
	return fd, port, nil
}

// backlog is the number of connections that wait to be accepted; the kernel has a limit of its own (net.core.somaxconn).
const backlog = 4096

// openReceiver takes UDP datagrams to everywhere. It must run on a thread in the hub.
func openReceiver(domain int) (fd int, port uint16, err error) {
	fd, err = newSocket(domain, unix.SOCK_DGRAM, 0, inHub(domain, originalDestination(domain), reuse)...)
	if err == nil {
		if port, err = bindAnywhere(fd, domain); err != nil {
			_ = unix.Close(fd)
		}
	}
	if err != nil {
		return -1, 0, fmt.Errorf("listen for tproxy: %w", err)
	}
	return fd, port, nil
}

// bindAnywhere lets the kernel choose a port.
func bindAnywhere(fd, domain int) (uint16, error) {
	any := netip.IPv4Unspecified()
	if domain == unix.AF_INET6 {
		any = netip.IPv6Unspecified()
	}
	if err := unix.Bind(fd, sockaddr(netip.AddrPortFrom(any, 0))); err != nil {
		return 0, os.NewSyscallError("bind", err)
	}
	bound, err := unix.Getsockname(fd)
	return fromSockaddr(bound).Port(), os.NewSyscallError("getsockname", err)
}

// openPodSide makes the pod side of a UDP flow. It must run on a thread in the hub.
func openPodSide(k key) (int, error) {
	domain := familyOf(k.src.Addr())
	fd, err := newSocket(domain, unix.SOCK_DGRAM, 0, inHub(domain, reuse)...)
	if err != nil {
		return -1, err
	}
	if err = os.NewSyscallError("bind", unix.Bind(fd, sockaddr(k.dst))); err == nil {
		err = os.NewSyscallError("connect", unix.Connect(fd, sockaddr(k.src)))
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// openHostSide makes the host side of a UDP flow, or a ping socket. SO_BROADCAST is not set: a Pod must not reach all machines of
// the host's network at once.
func openHostSide(to netip.AddrPort, protocol int, options ...option) (int, error) {
	fd, err := newSocket(familyOf(to.Addr()), unix.SOCK_DGRAM, protocol, options...)
	if err != nil {
		return -1, err
	}
	if err := unix.Connect(fd, sockaddr(to)); err != nil {
		_ = unix.Close(fd)
		return -1, os.NewSyscallError("connect", err)
	}
	return fd, nil
}
