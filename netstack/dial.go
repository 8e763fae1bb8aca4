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
	conn, err := h.dial(ctx, network, to)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: net.TCPAddrFromAddrPort(to), Err: err}
	}
	return conn, nil
}

func (h *Hub) dial(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
	kind, domain, err := socketKind(network, to.Addr())
	if err != nil {
		return nil, err
	}
	var fd int
	err = h.thread.do(func() (err error) {
		fd, err = unix.Socket(domain, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		return err
	})
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	// Only the socket had to be made in the hub. Waiting is done here, by the runtime's poller.
	file := os.NewFile(uintptr(fd), network+":"+to.String())
	defer file.Close()
	if err := connect(ctx, file, sockaddr(to)); err != nil {
		return nil, err
	}
	return net.FileConn(file)
}

func socketKind(network string, to netip.Addr) (kind, domain int, err error) {
	domain = unix.AF_INET6
	if to.Is4() {
		domain = unix.AF_INET
	}
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
			result = unix.Connect(int(fd), to)
			return !errors.Is(result, unix.EINPROGRESS)
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
