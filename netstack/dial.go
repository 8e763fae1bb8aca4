package netstack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Dial connects from the hub to a Pod. The network is tcp or udp (also with 4 or 6), the address an IP address with port. Errors are
// *net.OpError around the system's error, as of net.Dial.
func (h *Hub) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	conn, err := h.dial(ctx, network, netip.AddrPort{}, to)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: net.TCPAddrFromAddrPort(to), Err: err}
	}
	return conn, nil
}

// DialInside connects to a TCP port of a network namespace from inside: on its loopback, of either family. The file stays the
// caller's. Errors are as of Dial; that of IPv4 if both fail.
func (h *Hub) DialInside(ctx context.Context, netns *os.File, port uint16) (net.Conn, error) {
	socket := func(kind, domain int) (fd int, err error) {
		err = h.thread.visit(netns, func() (err error) {
			fd, err = newSocket(kind, domain)
			return err
		})
		return fd, err
	}
	var first error
	for _, loopback := range []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()} {
		to := netip.AddrPortFrom(loopback, port)
		conn, err := dialWith(ctx, socket, "tcp", netip.AddrPort{}, to)
		if err == nil {
			return conn, nil
		}
		if first == nil {
			first = &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: err}
		}
	}
	return nil, first
}

// dial connects from an address, which need not be the hub's; a zero one is chosen by the kernel, and so is port 0.
func (h *Hub) dial(ctx context.Context, network string, from, to netip.AddrPort) (net.Conn, error) {
	return dialWith(ctx, h.socket, network, from, to)
}

// socket is a socket of the hub that does not block.
func (h *Hub) socket(kind, domain int) (fd int, err error) {
	if kind == unix.SOCK_STREAM {
		return h.sockets.take(domain)
	}
	err = h.thread.do(func() (err error) {
		fd, err = newSocket(kind, domain)
		return err
	})
	return fd, err
}

// newSocket makes a socket that does not block, in the network namespace of the calling thread.
func newSocket(kind, domain int) (int, error) {
	fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	return fd, os.NewSyscallError("socket", err)
}

// dialWith connects with a socket that a function makes in the network namespace.
func dialWith(ctx context.Context, socket func(kind, domain int) (int, error), network string, from, to netip.AddrPort) (net.Conn, error) {
	kind, domain, err := socketKind(network, to.Addr())
	if err != nil {
		return nil, err
	}
	fd, err := socket(kind, domain)
	if err != nil {
		return nil, err
	}
	// Only the socket had to be made there. Waiting is done here, by the runtime's poller.
	file := os.NewFile(uintptr(fd), network+":"+to.String())
	defer file.Close()
	if from.IsValid() {
		if err := bindTransparent(fd, from); err != nil {
			return nil, err
		}
	}
	if err := connect(ctx, file, sockaddr(to)); err != nil {
		return nil, err
	}
	return net.FileConn(file)
}

// bindTransparent gives a socket an address that the machine does not have: ip(7), IP_TRANSPARENT. SO_REUSEADDR lets sockets that differ
// only in their peer share it.
func bindTransparent(fd int, from netip.AddrPort) error {
	if err := setTransparent(fd, int(family(from.Addr()))); err != nil {
		return err
	}
	return os.NewSyscallError("bind", unix.Bind(fd, sockaddr(from)))
}

func setTransparent(fd, domain int) error {
	level, transparent := unix.SOL_IP, unix.IP_TRANSPARENT
	if domain == unix.AF_INET6 {
		level, transparent = unix.SOL_IPV6, unix.IPV6_TRANSPARENT
	}
	for _, o := range []struct{ level, name int }{
		{level, transparent}, {unix.SOL_SOCKET, unix.SO_REUSEADDR},
		{unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT}, // IPv6 looks at the same
	} {
		if err := unix.SetsockoptInt(fd, o.level, o.name, 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return nil
}

func socketKind(network string, to netip.Addr) (kind, domain int, err error) {
	domain = int(family(to))
	switch base := strings.TrimRight(network, "46"); base {
	case "tcp":
		kind = unix.SOCK_STREAM
	case "udp":
		kind = unix.SOCK_DGRAM
	default:
		return 0, 0, net.UnknownNetworkError(network)
	}
	if strings.HasSuffix(network, "4") && !to.Is4() || strings.HasSuffix(network, "6") && to.Is4() {
		return 0, 0, fmt.Errorf("address %s does not fit network %s", to, network)
	}
	return kind, domain, nil
}

func sockaddr(to netip.AddrPort) unix.Sockaddr {
	if to.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
}

// connect waits for a connection until the context ends. connect(2): a socket that does not block becomes writable when the
// attempt is over, and SO_ERROR tells how it went.
func connect(ctx context.Context, file *os.File, to unix.Sockaddr) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = file.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	started := false
	var result error
	err = raw.Write(func(fd uintptr) (done bool) {
		if !started {
			started = true
			if result = unix.Connect(int(fd), to); !errors.Is(result, unix.EINPROGRESS) {
				return true
			}
			// What is on this machine has answered already.
		}
		var pending bool
		pending, result = attempt(int(fd))
		return !pending
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	if result != nil {
		return os.NewSyscallError("connect", result)
	}
	return nil
}

// attempt asks how a connection attempt stands. The poller may wake up without cause, so "no error" is believed only if
// there is a peer.
func attempt(fd int) (pending bool, err error) {
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return false, err
	}
	if code != 0 {
		return false, syscall.Errno(code)
	}
	if _, err := unix.Getpeername(fd); err != nil {
		return true, nil
	}
	return false, nil
}
