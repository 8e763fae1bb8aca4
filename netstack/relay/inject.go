package relay

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// An injector sends packets to Pods that no socket would make: with any source address. raw(7): IPPROTO_RAW means that the IP header is
// part of what is sent. Both need CAP_NET_RAW in the user namespace of the hub.
type injector struct{ fd4, fd6 int }

// openInjector must run on a thread in the hub.
func openInjector() (*injector, error) {
	i := &injector{fd4: -1, fd6: -1}
	var err error
	if i.fd4, err = newSocket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW); err != nil {
		return nil, err
	}
	if i.fd6, err = newSocket(unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_RAW); err != nil {
		_ = unix.Close(i.fd4)
		return nil, err
	}
	return i, nil
}

// send sends a whole packet. It may get lost, as any packet.
func (i *injector) send(to netip.Addr, packet []byte) {
	fd := i.fd6
	if to.Is4() {
		fd = i.fd4
	}
	_ = unix.Sendto(fd, packet, unix.MSG_DONTWAIT, sockaddr(netip.AddrPortFrom(to, 0)))
}

func (i *injector) close() {
	_ = unix.Close(i.fd4)
	_ = unix.Close(i.fd6)
}
