package netstack

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/publish"
)

// freePort is a port of the host that nobody has just now.
func freePort(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

// serveWho answers each connection with the client's address.
func serveWho(t *testing.T, in *testPod) uint16 {
	l, addr := listenTCP(t, in, netip.IPv6Unspecified())
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap().String())
			c.Close()
		}
	}()
	return addr.Port()
}

func askWho(t *testing.T, local, to netip.AddrPort) string {
	t.Helper()
	d := net.Dialer{Timeout: 10 * time.Second}
	if local.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(local)
	}
	c, err := d.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func publishShowsClients(t *testing.T, engine string) {
	h := openHub(t, Config{Engine: engine})
	pod := attachPod(t, h, "web")
	number := freePort(t)
	if err := h.Publish("uid-web", []Port{{Protocol: "tcp", HostPort: number, PodPort: serveWho(t, pod)}}); err != nil {
		t.Fatal(err)
	}
	gw := h.Gateway()
	for _, c := range []struct{ from, to, seen netip.Addr }{
		{hostV4, hostV4, hostV4},
		{hostV6, hostV6, hostV6},
		{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.1"), gw.V4},
		{netip.MustParseAddr("::1"), netip.MustParseAddr("::1"), gw.V6},
	} {
		for range 3 { // the second one meets what the first left
			if got := askWho(t, netip.AddrPortFrom(c.from, 0), netip.AddrPortFrom(c.to, number)); got != c.seen.String() {
				t.Errorf("a client at %s is seen as %s, want %s", c.from, got, c.seen)
			}
		}
	}
	// Hairpin: the Pod itself, and another one, by the host's address.
	other := attachPod(t, h, "other")
	for _, p := range []*testPod{pod, other} {
		for _, at := range []netip.Addr{hostV4, hostV6} {
			if got, _ := io.ReadAll(p.dial(t, "tcp", netip.AddrPortFrom(at, number))); string(got) != at.String() {
				t.Errorf("a Pod is seen as %q, want the host's %s", got, at)
			}
		}
	}
}

func publishUDP(t *testing.T, engine string) {
	h := openHub(t, Config{Engine: engine})
	pod := attachPod(t, h, "web")
	number := freePort(t)
	at := serveEchoPackets(t, pod, netip.IPv6Unspecified())
	if err := h.Publish("uid-web", []Port{{Protocol: "udp", HostPort: number, PodPort: at.Port()}}); err != nil {
		t.Fatal(err)
	}
	for _, to := range []netip.Addr{hostV4, hostV6, netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("::1")} {
		seen := to
		if to.IsLoopback() {
			seen = map[bool]netip.Addr{true: h.Gateway().V4, false: h.Gateway().V6}[to.Is4()]
		}
		c, err := net.Dial("udp", netip.AddrPortFrom(to, number).String()) // connected: an answer from elsewhere is not taken
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		for range 3 {
			if got := converseUDP(t, c, "hello"); got != seen.String()+" hello" {
				t.Errorf("by %s: got %q, want %s", to, got, seen)
			}
		}
		big := strings.Repeat("x", 20000)
		if got := converseUDP(t, c, big); got != seen.String()+" "+big {
			t.Errorf("by %s: a large datagram came back with %d bytes", to, len(got))
		}
	}
}

func publishConflicts(t *testing.T, engine string) {
	h := openHub(t, Config{Engine: engine})
	attachPod(t, h, "web")
	attachPod(t, h, "other")
	number := freePort(t)
	want := []Port{{Protocol: "tcp", HostPort: number, PodPort: 80}}
	if err := h.Publish("uid-web", want); err != nil {
		t.Fatal(err)
	}
	free := freePort(t)
	err := h.Publish("uid-other", []Port{{Protocol: "tcp", HostPort: free, PodPort: 80}, want[0]})
	var taken *publish.InUse
	if !errors.As(err, &taken) || !errors.Is(err, unix.EADDRINUSE) || taken.By != "pod default/web" {
		t.Errorf("a taken port: %v", err)
	}
	if l, err := net.Listen("tcp4", netip.AddrPortFrom(hostV4, free).String()); err != nil {
		t.Error("something stays open after an error:", err)
	} else {
		l.Close()
	}
	h.Unpublish("uid-web")
	if err := h.Publish("uid-other", want); err != nil {
		t.Error("a port that was given up:", err)
	}
	foreign, at := listenTCP(t, nil, hostV4)
	defer foreign.Close()
	err = h.Publish("uid-web", []Port{{Protocol: "tcp", HostIP: hostV4, HostPort: at.Port(), PodPort: 80}})
	if !errors.As(err, &taken) || !strings.HasPrefix(taken.By, "process ") {
		t.Errorf("a port of another process: %v", err)
	}
	err = h.Publish("uid-web", []Port{{Protocol: "tcp", HostIP: netip.MustParseAddr("192.0.2.99"), HostPort: number, PodPort: 80}})
	if !errors.Is(err, unix.EADDRNOTAVAIL) || !strings.Contains(err.Error(), "192.0.2.99") {
		t.Errorf("an address that the host does not have: %v", err)
	}
}

func unpublishEndsFlows(t *testing.T, engine string) {
	h := openHub(t, Config{Engine: engine})
	pod := attachPod(t, h, "web")
	l, at := listenTCP(t, pod, netip.IPv4Unspecified())
	number := freePort(t)
	if err := h.Publish("uid-web", []Port{{Protocol: "tcp", HostPort: number, PodPort: at.Port()}}); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", netip.AddrPortFrom(hostV4, number).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	inside, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	if err := h.Detach("uid-web"); err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a connection after its port was given up: %v", err)
	}
	if c, err := net.Dial("tcp", netip.AddrPortFrom(hostV4, number).String()); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
}
