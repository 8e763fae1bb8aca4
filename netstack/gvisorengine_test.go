package netstack

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// manyDatagramsAtOnce: a program may hand many datagrams to the kernel in one piece (UDP_SEGMENT of udp(7), as QUIC does), and a veth passes
// them on like that.
func manyDatagramsAtOnce(t *testing.T, engine string) {
	pod := attachPod(t, openHub(t, Config{Engine: engine}), "client")
	for name, addr := range families(hostAddrs) {
		server, to := listenUDP(t, nil, addr)
		_ = server.SetDeadline(time.Now().Add(20 * time.Second))
		c := pod.dial(t, "udp", to).(*net.UDPConn)
		const size = 1000
		raw, err := c.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var unsupported error
		_ = raw.Control(func(fd uintptr) { unsupported = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, size) })
		if unsupported != nil {
			t.Skip("UDP_SEGMENT, of Linux 4.18:", unsupported)
		}
		var all strings.Builder
		for i := range 5 {
			all.WriteString(strings.Repeat(fmt.Sprint(i), size))
		}
		if _, err := c.Write([]byte(all.String() + "end")); err != nil {
			t.Fatal(err)
		}
		for i := range 6 {
			b := make([]byte, 1<<16)
			n, err := server.Read(b)
			want := strings.Repeat(fmt.Sprint(i), size)
			if i == 5 {
				want = "end"
			}
			if err != nil || string(b[:n]) != want {
				t.Fatalf("%s: datagram %d: %d bytes, %v", name, i, n, err)
			}
		}
	}
}

// nobodyReads: what a connection may hold is bounded in both directions, and other connections go on.
func nobodyReads(t *testing.T, engine string) {
	h := openHub(t, Config{Engine: engine})
	pod, other := attachPod(t, h, "client"), attachPod(t, h, "other")
	before := heap()
	l, to := listenTCP(t, nil, hostV4)
	const connections = 20
	for range connections {
		inside := pod.dial(t, "tcp", to)
		outside, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { outside.Close() })
		for _, c := range []net.Conn{inside, outside} {
			_ = c.SetWriteDeadline(time.Now().Add(time.Second))
			go func() { _, _ = io.Copy(c, endless{}) }()
		}
	}
	time.Sleep(1500 * time.Millisecond)
	if grown := heap() - before; grown > connections*4<<20 {
		t.Errorf("%d MB for %d connections", grown>>20, connections)
	}
	if got := converse(t, other.dial(t, "tcp", serveEcho(t, nil, hostV4)), "hello"); got != "hello" {
		t.Errorf("got %q", got)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return min(len(b), 32<<10), nil }

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}

// scan asks for very many connections that come to nothing; afterwards others do.
func scan(t *testing.T, engine string) {
	h := openHub(t, Config{Engine: engine})
	pod, other := attachPod(t, h, "scanner"), attachPod(t, h, "other")
	for i := range 3000 {
		addr := hostV4 // refuses
		if i%2 == 0 {
			addr = netip.MustParseAddr("192.0.2.1") // no route
		}
		_ = pod.do(func() error { return startConnecting(netip.AddrPortFrom(addr, uint16(i+1))) })
	}
	for _, p := range []*testPod{other, pod} {
		if got := converse(t, p.dial(t, "tcp", serveEcho(t, nil, hostV4)), "hello"); got != "hello" {
			t.Errorf("got %q", got)
		}
	}
}

// startConnecting sends a SYN and forgets it.
func startConnecting(to netip.AddrPort) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	return errors.Join(unix.Connect(fd, sockaddr(to)), unix.Close(fd))
}

// TestGarbageFrames has a Pod send what is no packet, or almost one, straight to the gateway's MAC.
func TestGarbageFrames(t *testing.T) {
	h := openHub(t, Config{Engine: "gvisor"})
	pod := attachPod(t, h, "client")
	var fd int
	err := pod.do(func() (err error) {
		eth, err := net.InterfaceByName(podLink)
		if err != nil {
			return err
		}
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: eth.Index})
	})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	src, dst := pod.addrs.V4.As4(), hostV4.As4()
	for protocol := range 256 {
		for size := range 60 {
			frame := append(append([]byte{}, hardwareAddr(h.Gateway().V4)...), hardwareAddr(pod.addrs.V4)...)
			frame = append(frame, 8, 0)
			packet := make([]byte, 20+size)
			for i := range packet {
				packet[i] = byte(i*7 + protocol*size)
			}
			packet[0] = 0x40 | byte(4+size%12)
			packet[9] = []byte{unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_ICMP}[protocol%3]
			copy(packet[12:], append(src[:], dst[:]...))
			_, _ = unix.Write(fd, append(frame, packet...))
		}
	}
	if got := converse(t, pod.dial(t, "tcp", serveEcho(t, nil, hostV4)), "hello"); got != "hello" {
		t.Errorf("got %q", got)
	}
}
