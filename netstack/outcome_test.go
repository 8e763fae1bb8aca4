package netstack

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// failureLooksAsOutside compares what a program hears in a Pod with what it hears on the host.
func failureLooksAsOutside(t *testing.T, engine string) {
	pod := attachPod(t, openHub(t, Config{Engine: engine}), "client")
	for name, to := range map[string]netip.Addr{
		"nobody listens": hostV4, "nobody listens, IPv6": hostV6,
		"unreachable": unreachableV4, "unreachable, IPv6": unreachableV6,
		"no route": noRouteV4, "no route, IPv6": noRouteV6,
		"prohibited, IPv6": prohibitedV6,
	} {
		at := netip.AddrPortFrom(to, 1)
		_, outside := net.DialTimeout("tcp", at.String(), 10*time.Second)
		var want unix.Errno
		if !errors.As(outside, &want) {
			t.Fatalf("%s: outside: %v", name, outside)
		}
		if _, err := pod.tryDial("tcp", at); !errors.Is(err, want) {
			t.Errorf("%s: %v, outside: %v", name, err, outside)
		}
	}
	// No ICMP message means EACCES to Linux; this one comes nearest.
	if _, err := pod.tryDial("tcp", netip.AddrPortFrom(prohibitedV4, 1)); !errors.Is(err, unix.EHOSTUNREACH) {
		t.Errorf("prohibited: %v", err)
	}
}

// silentDestinationMayAnswerLater: a server that drops SYNs, as its queue is full. The Pod keeps on trying as long as it likes, and is connected when
// the server takes connections again, which hears of one attempt only.
func silentDestinationMayAnswerLater(t *testing.T, engine string) {
	pod := attachPod(t, openHub(t, Config{Engine: engine}), "client")
	fd, to := listenFull(t)
	connected := make(chan error, 1)
	go func() {
		c, err := pod.tryDial("tcp", to)
		if err == nil {
			defer c.Close()
			_, err = c.Write([]byte("late"))
		}
		connected <- err
	}()
	select {
	case err := <-connected:
		t.Fatal("connected to a server that does not answer:", err)
	case <-time.After(1500 * time.Millisecond): // the Pod's kernel has repeated its SYN by then
	}
	var got []string
	for len(got) == 0 || got[len(got)-1] != "late" {
		conn, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
		if err != nil {
			t.Fatalf("%v; server heard %q; pod: %v", err, got, <-connected)
		}
		b := make([]byte, 16)
		n, _ := unix.Read(conn, b)
		got = append(got, string(b[:max(n, 0)]))
		unix.Close(conn)
	}
	if err := <-connected; err != nil || len(got) != 3 {
		t.Errorf("server heard %q; pod: %v", got, err)
	}
}

// listenFull listens, and has as many connections as its queue holds, which end when they are accepted.
func listenFull(t *testing.T) (fd int, to netip.AddrPort) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: hostV4.As4()}), unix.Listen(fd, 1)); err != nil {
		t.Fatal(err)
	}
	limit := unix.Timeval{Sec: 20}
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit)
	bound, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	to = netip.AddrPortFrom(hostV4, uint16(bound.(*unix.SockaddrInet4).Port))
	for range 2 { // the queue takes one more than was asked for
		c, err := net.Dial("tcp", to.String())
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	return fd, to
}

// oneConnectionForOne: the connection that answered the Pod's SYN is the one that carries the data.
func oneConnectionForOne(t *testing.T, engine string) {
	pod := attachPod(t, openHub(t, Config{Engine: engine}), "client")
	l, to := listenTCP(t, nil, hostV4)
	accepted := make(chan string, 100)
	go func() {
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			b := make([]byte, 16)
			_ = c.SetDeadline(time.Now().Add(20 * time.Second))
			n, _ := c.Read(b)
			accepted <- string(b[:n])
			c.Close()
		}
	}()
	const connections = 20
	for range connections {
		c := pod.dial(t, "tcp", to)
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if got := <-accepted; got != "hello" {
			t.Errorf("the server got a connection with %q", got)
		}
		c.Close()
	}
	if len(accepted) != 0 {
		t.Errorf("%d connections too many", len(accepted))
	}
}

func refusedDatagramLooksAsOutside(t *testing.T, engine string) {
	pod := attachPod(t, openHub(t, Config{Engine: engine}), "client")
	_, loopback := listenUDP(t, nil, metadataV4)
	for _, to := range []netip.AddrPort{netip.AddrPortFrom(hostV4, 1), netip.AddrPortFrom(hostV6, 1), loopback} {
		c := pod.dial(t, "udp", to)
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("%s: got %v", to, err)
		}
	}
}

func largestDatagrams(t *testing.T, engine string) {
	pod := attachPod(t, openHub(t, Config{Engine: engine}), "client")
	for name, addr := range families(hostAddrs) {
		server, to := listenUDP(t, nil, addr)
		go func() {
			b := make([]byte, 1<<16)
			for {
				n, from, err := server.ReadFromUDPAddrPort(b)
				if err != nil {
					return
				}
				_, _ = server.WriteToUDPAddrPort(b[:n], from)
			}
		}()
		c := pod.dial(t, "udp", to)
		for _, size := range []int{1472, 9000, 65507, 0} {
			say := strings.Repeat("x", size)
			if got := converseUDP(t, c, say); got != say {
				t.Errorf("%s: %d bytes came back of %d", name, len(got), size)
			}
		}
	}
}

// pinger is a ping socket in a Pod.
func (p *testPod) pinger(t *testing.T, to netip.Addr) *os.File {
	t.Helper()
	var file *os.File
	err := p.do(func() error {
		if err := setSysctls([]sysctl{{"ipv4/ping_group_range", "0\t0"}})(); err != nil {
			return err
		}
		protocol, level, option := unix.IPPROTO_ICMP, unix.SOL_IP, unix.IP_RECVERR
		domain := unix.AF_INET
		if to.Is6() {
			protocol, level, option, domain = unix.IPPROTO_ICMPV6, unix.SOL_IPV6, unix.IPV6_RECVERR, unix.AF_INET6
		}
		fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, protocol)
		if err != nil {
			return err
		}
		file = os.NewFile(uintptr(fd), "ping")
		limit := unix.Timeval{Sec: 20}
		_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit)
		return errors.Join(unix.SetsockoptInt(fd, level, option, 1), unix.Connect(fd, sockaddr(netip.AddrPortFrom(to, 0))))
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

// ping sends an echo request and returns what came back behind the header.
func ping(file *os.File, v4 bool, sequence uint16, payload string) (string, error) {
	request, reply := byte(8), byte(0)
	if !v4 {
		request, reply = 128, 129
	}
	m := append(binary.BigEndian.AppendUint16([]byte{request, 0, 0, 0, 0, 0}, sequence), payload...)
	if _, err := file.Write(m); err != nil {
		return "", err
	}
	b := make([]byte, 1<<16)
	n, err := file.Read(b)
	if err != nil {
		return "", err
	}
	if n < 8 || b[0] != reply || binary.BigEndian.Uint16(b[6:]) != sequence {
		return "", errors.New("not the reply")
	}
	return string(b[8:n]), nil
}

// permitPing lets group 0, which is the test's, have ping sockets on the host. A new network namespace permits them to nobody, and cannot
// go back to that: there is no number for nobody.
func permitPing(t *testing.T) {
	t.Helper()
	if err := setSysctls([]sysctl{{"ipv4/ping_group_range", "0\t0"}})(); err != nil {
		t.Fatal(err)
	}
}

func pingOutside(t *testing.T, engine string) {
	permitPing(t)
	pod := attachPod(t, openHub(t, Config{Engine: engine}), "client")
	for name, addr := range families(hostAddrs) {
		one, two := pod.pinger(t, addr), pod.pinger(t, addr)
		for sequence, payload := range []string{"", "hello", strings.Repeat("x", 60000)} {
			for _, file := range []*os.File{one, two} {
				if got, err := ping(file, addr.Is4(), uint16(sequence), payload); err != nil || got != payload {
					t.Errorf("%s: %d bytes came back of %d, %v", name, len(got), len(payload), err)
				}
			}
		}
	}
	for _, addr := range []netip.Addr{unreachableV4, unreachableV6} {
		if got, err := ping(pod.pinger(t, addr), addr.Is4(), 1, "x"); !errors.Is(err, unix.EHOSTUNREACH) {
			t.Errorf("%s: %q, %v", addr, got, err)
		}
	}
	if got, err := ping(pod.pinger(t, metadataV4), true, 1, "x"); !errors.Is(err, unix.EHOSTUNREACH) && !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("closed destination: %q, %v", got, err)
	}
}

// pingNotPermitted: the Pod hears that it is prohibited; Linux has no other words for that in IPv4.
func pingNotPermitted(t *testing.T, engine string) {
	h := openHub(t, Config{Engine: engine})
	pod, other := attachPod(t, h, "client"), attachPod(t, h, "other")
	for addr, want := range map[netip.Addr]unix.Errno{hostV4: unix.EHOSTUNREACH, hostV6: unix.EACCES} {
		if got, err := ping(pod.pinger(t, addr), addr.Is4(), 1, "x"); !errors.Is(err, want) {
			t.Errorf("%s: %q, %v", addr, got, err)
		}
	}
	for _, addr := range []netip.Addr{other.addrs.V4, other.addrs.V6, h.Gateway().V4, h.Gateway().V6} {
		if got, err := ping(pod.pinger(t, addr), addr.Is4(), 1, "inside"); err != nil || got != "inside" {
			t.Errorf("%s: %q, %v", addr, got, err)
		}
	}
}
