package relay

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// receive reads from a socket. Flags are those of recv(2).
func receive(fd int, b []byte, flags int) (n int, err error) {
	for {
		if flags == 0 {
			n, err = unix.Read(fd, b)
		} else {
			n, _, err = unix.Recvfrom(fd, b, flags)
		}
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

// send writes to a socket. The runtime takes no notice of the signal that comes when the peer is gone.
func send(fd int, b []byte) (n int, err error) {
	for {
		if n, err = unix.Write(fd, b); err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

// discard removes bytes that were looked at. With MSG_TRUNC, TCP does not copy them again: tcp(7). They are there, so EAGAIN is only about a
// signal, as unread says.
func discard(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := receive(fd, b, unix.MSG_TRUNC)
		if waits(err) != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func shutdown(fd int) error {
	if err := unix.Shutdown(fd, unix.SHUT_WR); err != unix.ENOTCONN { // it was reset, which its own event will say
		return err
	}
	return nil
}

// sockaddr is the address for a socket of this family; an IPv4 address of an IPv6 socket is not used here.
func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func fromSockaddr(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

func familyOf(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}
