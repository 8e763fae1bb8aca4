package netstack

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func families(a Addrs) map[string]netip.Addr {
	return map[string]netip.Addr{"IPv4": a.V4, "IPv6": a.V6}
}

var hostAddrs = Addrs{V4: hostV4, V6: hostV6}

func TestPodReachesPod(t *testing.T) {
	h := openHub(t, Config{})
	server, client := attachPod(t, h, "server"), attachPod(t, h, "client")
	for name, addr := range families(server.addrs) {
		t.Run(name, func(t *testing.T) {
			c := client.dial(t, "tcp", serveEcho(t, server, addr))
			if got := converse(t, c, "hello"); got != "hello" {
				t.Errorf("got %q", got)
			}
			u := client.dial(t, "udp", serveEchoPackets(t, server, addr))
			if got, want := converseUDP(t, u, "hi"), families(client.addrs)[name].String()+" hi"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestPodReachesItselfOnLocalhost(t *testing.T) {
	pod := attachPod(t, openHub(t, Config{}), "alone")
	for _, addr := range []string{"127.0.0.1", "::1"} {
		c := pod.dial(t, "tcp", serveEcho(t, pod, netip.MustParseAddr(addr)))
		if got := converse(t, c, "me"); got != "me" {
			t.Errorf("%s: got %q", addr, got)
		}
	}
}

func TestPodReachesHost(t *testing.T) {
	pod := attachPod(t, openHub(t, Config{}), "client")
	big := strings.Repeat("0123456789abcdef", 1<<20) // 16 MiB each way
	for name, addr := range families(hostAddrs) {
		t.Run(name, func(t *testing.T) {
			to := serveEcho(t, nil, addr)
			c := pod.dial(t, "tcp", to)
			if got := endpointOf(c.RemoteAddr()); got != to {
				t.Errorf("the pod thinks it talks to %s, not %s", got, to)
			}
			if got := converse(t, c, big); got != big {
				t.Errorf("%d bytes came back of %d", len(got), len(big))
			}
		})
		t.Run(name+" UDP", func(t *testing.T) {
			to := serveEchoPackets(t, nil, addr)
			one, two := pod.dial(t, "udp", to), pod.dial(t, "udp", to)
			// The address shows that the host's own socket sent it; a long datagram crosses in fragments.
			for _, say := range []string{"a", "", strings.Repeat("x", 60000), "b"} {
				for _, c := range []net.Conn{one, two} {
					if got, want := converseUDP(t, c, say), addr.String()+" "+say; got != want {
						t.Errorf("got %.40q, want %.40q", got, want)
					}
				}
			}
		})
	}
}

func endpointOf(a net.Addr) netip.AddrPort {
	p := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

func TestHostMayTalkFirstAndEndFirst(t *testing.T) {
	pod := attachPod(t, openHub(t, Config{}), "client")
	l, to := listenTCP(t, nil, hostV4)
	rest := make(chan string, 1)
	go func() {
		c, err := l.AcceptTCP()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = c.Write([]byte("welcome"))
		_ = c.CloseWrite()
		all, _ := io.ReadAll(c)
		rest <- string(all)
	}()
	c := pod.dial(t, "tcp", to)
	if got, err := io.ReadAll(c); err != nil || string(got) != "welcome" {
		t.Fatalf("got %q, %v", got, err)
	}
	if _, err := c.Write([]byte("still here")); err != nil {
		t.Fatal("write after the other direction ended:", err)
	}
	c.Close()
	if got := <-rest; got != "still here" {
		t.Errorf("got %q", got)
	}
}

func TestResetCrossesTheRelay(t *testing.T) {
	pod := attachPod(t, openHub(t, Config{}), "client")
	l, to := listenTCP(t, nil, hostV4)
	accepted := make(chan *net.TCPConn, 1)
	go func() {
		if c, err := l.AcceptTCP(); err == nil {
			accepted <- c
		}
	}()
	for _, fromPod := range []bool{false, true} {
		inside := pod.dial(t, "tcp", to).(*net.TCPConn)
		outside := <-accepted
		breaks, feels := outside, inside
		if fromPod {
			breaks, feels = inside, outside
		}
		_ = breaks.SetLinger(0)
		breaks.Close()
		_ = feels.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := feels.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("from pod %t: read after reset: %v", fromPod, err)
		}
		outside.Close()
		go func() {
			if c, err := l.AcceptTCP(); err == nil {
				accepted <- c
			}
		}()
	}
}

// closedToPod dials and expects to be told so, with a reset on connecting or right after.
func closedToPod(t *testing.T, pod *testPod, to netip.AddrPort) {
	t.Helper()
	c, err := pod.tryDial("tcp", to)
	if err == nil {
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		_, err = c.Read(make([]byte, 1))
	}
	if !errors.Is(err, unix.ECONNRESET) && !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("%s: got %v, want a reset", to, err)
	}
}

func TestClosedDestinations(t *testing.T) {
	h := openHub(t, Config{})
	pod := attachPod(t, h, "client")
	l, nobody := listenTCP(t, nil, hostV4)
	l.Close()
	closedToPod(t, pod, nobody)

	metadata, to := listenTCP(t, nil, metadataV4)
	closedToPod(t, pod, to)
	_ = metadata.SetDeadline(time.Now())
	if _, err := metadata.Accept(); err == nil {
		t.Error("a pod reached the host's link-local address")
	}

	// The relay's own port is reachable at the gateway; it must not relay to itself.
	ports := h.engine.(relayEngine).relay.Ports()
	closedToPod(t, pod, netip.AddrPortFrom(h.Gateway().V4, ports.TCP4))
	closedToPod(t, pod, netip.AddrPortFrom(h.Gateway().V6, ports.TCP6))
}

// TestHostLoopbackIsClosed talks two kernels out of dropping packets for 127.0.0.0/8: the Pod's, which routes them to itself,
// and the hub's, which takes them for martians. What is left is the policy.
func TestHostLoopbackIsClosed(t *testing.T) {
	h := openHub(t, Config{})
	pod := attachPod(t, h, "client")
	loopback, to := listenTCP(t, nil, netip.MustParseAddr("127.0.0.9"))
	if err := h.thread.do(setSysctls([]sysctl{{"ipv4/conf/" + bridgeName + "/route_localnet", "1"}})); err != nil {
		t.Fatal(err)
	}
	if err := pod.do(routeLoopbackOutside); err != nil {
		t.Fatal(err)
	}
	err := pod.do(func() error {
		dialer := net.Dialer{Timeout: 10 * time.Second, LocalAddr: &net.TCPAddr{IP: pod.addrs.V4.AsSlice()}}
		c, err := dialer.Dial("tcp", to.String())
		if err != nil {
			return err
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		_, err = c.Read(make([]byte, 1))
		return err
	})
	if !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("got %v, want a reset", err)
	}
	_ = loopback.SetDeadline(time.Now())
	if _, err := loopback.Accept(); err == nil {
		t.Error("a pod reached the host's loopback")
	}
}

func routeLoopbackOutside() error {
	if err := setSysctls([]sysctl{{"ipv4/conf/" + podLink + "/route_localnet", "1"}})(); err != nil {
		return err
	}
	c, err := openRtnl()
	if err != nil {
		return err
	}
	defer c.close()
	return c.do(newMessage("delete loopback route", unix.RTM_DELROUTE, 0,
		uint8(unix.AF_INET), uint8(8), uint8(0), uint8(0), uint8(unix.RT_TABLE_LOCAL), uint8(0),
		uint8(unix.RT_SCOPE_NOWHERE), uint8(unix.RTN_LOCAL), uint32(0)).
		attr(unix.RTA_DST, []byte{127, 0, 0, 0}))
}

func TestDialFromHub(t *testing.T) {
	h := openHub(t, Config{})
	pod := attachPod(t, h, "server")
	for name, addr := range families(pod.addrs) {
		to := serveEcho(t, pod, addr)
		c, err := h.Dial(t.Context(), "tcp", to.String())
		if err != nil {
			t.Fatal(name, err)
		}
		if got := endpointOf(c.RemoteAddr()); got != to {
			t.Errorf("remote address %s, want %s", got, to)
		}
		if got := converse(t, c, "probe"); got != "probe" {
			t.Errorf("got %q", got)
		}
		c.Close()
		u, err := h.Dial(t.Context(), "udp", serveEchoPackets(t, pod, addr).String())
		if err != nil {
			t.Fatal(name, err)
		}
		if got, want := converseUDP(t, u, "x"), families(h.Gateway())[name].String()+" x"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		u.Close()
	}
	_, err := h.Dial(t.Context(), "tcp", netip.AddrPortFrom(pod.addrs.V4, 1).String())
	if !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("closed port: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = h.Dial(ctx, "tcp", netip.AddrPortFrom(nth(h.v4, 99), 80).String()) // no such pod: ARP fails after seconds
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no pod there: %v", err)
	}
}

func TestNextHubServesOldPods(t *testing.T) {
	netns := newNetns(t)
	first := openHub(t, Config{Netns: netns})
	server, client := attachPod(t, first, "server"), attachPod(t, first, "client")
	gateway := first.Gateway()
	onBridge := client.dial(t, "tcp", serveEcho(t, server, server.addrs.V4))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if got := converse(t, onBridge, "meanwhile"); got != "meanwhile" {
		t.Errorf("pods with nobody serving the hub: got %q", got)
	}

	second := openHub(t, Config{Netns: netns})
	if got := second.Gateway(); got != gateway {
		t.Errorf("gateway %v became %v", gateway, got)
	}
	if got, want := second.Attached(), []string{"uid-client", "uid-server"}; !slices.Equal(got, want) {
		t.Errorf("attached: %v, want %v", got, want)
	}
	third := attachPod(t, second, "third")
	if third.addrs == server.addrs || third.addrs == client.addrs {
		t.Errorf("new pod got the addresses of an old one: %v", third.addrs)
	}
	if err := second.Adopt(Endpoint{ID: "uid-server", Name: "server", Namespace: "default", Addrs: server.addrs}); err != nil {
		t.Error(err)
	}
	if err := second.Adopt(Endpoint{ID: "other", Name: "other", Namespace: "default", Addrs: server.addrs}); err == nil {
		t.Error("two pods have the same addresses")
	}
	for name, addr := range families(hostAddrs) {
		c := client.dial(t, "tcp", serveEcho(t, nil, addr))
		if got := converse(t, c, "again"); got != "again" {
			t.Errorf("%s: got %q", name, got)
		}
	}
	lookUp(t, client, gateway.V4, "server.default.pod.cluster.local", server.addrs)

	if _, err := Open(Config{Netns: netns, IPv4: netip.MustParsePrefix("10.1.0.0/16")}); err == nil {
		t.Error("a hub with pods changed its range")
	}
}

func TestTwoHubsAtOnce(t *testing.T) {
	// The next process may be there before the last one has quite gone.
	netns := newNetns(t)
	first := openHub(t, Config{Netns: netns})
	pod := attachPod(t, first, "client")
	open := pod.dial(t, "tcp", serveEcho(t, nil, hostV4))
	if _, err := open.Write([]byte("before ")); err != nil {
		t.Fatal(err)
	}
	openHub(t, Config{Netns: netns})
	c := pod.dial(t, "tcp", serveEcho(t, nil, hostV4))
	if got := converse(t, c, "new"); got != "new" {
		t.Errorf("got %q", got)
	}
	if got := converse(t, open, "after"); got != "before after" {
		t.Errorf("connection of the first: got %q", got)
	}
}

func TestDetach(t *testing.T) {
	h := openHub(t, Config{IPv4: netip.MustParsePrefix("10.9.0.0/29"), IPv6: netip.MustParsePrefix("fd09::/64")})
	pod := attachPod(t, h, "one")
	if got := (Addrs{netip.MustParseAddr("10.9.0.2"), netip.MustParseAddr("fd09::2")}); pod.addrs != got {
		t.Errorf("addresses %v, want %v", pod.addrs, got)
	}
	l, to := listenTCP(t, nil, hostV4)
	pod.dial(t, "tcp", to)
	outside, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Close()
	for range 2 {
		if err := h.Detach("uid-one"); err != nil {
			t.Fatal(err)
		}
	}
	_ = outside.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := outside.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("flow of a detached pod: %v", err)
	}
	if links, err := h.links.links(); err != nil || slices.ContainsFunc(links, func(l link) bool { return l.master != 0 }) {
		t.Errorf("links left: %v, %v", links, err)
	}
	// Five addresses are free. More attaches than that work only if Detach gives them back.
	other := newTestPod(t)
	for range 12 {
		if _, err := h.Attach(other.netns, Endpoint{ID: "again", Name: "again", Namespace: "default"}); err != nil {
			t.Fatal(err)
		}
		if err := h.Detach("again"); err != nil {
			t.Fatal(err)
		}
	}
	if ids := h.Attached(); len(ids) != 0 {
		t.Errorf("still attached: %v", ids)
	}
}

func TestAttachAgainReplacesTheLink(t *testing.T) {
	h := openHub(t, Config{})
	before := attachPod(t, h, "same")
	after := attachPod(t, h, "same")
	if before.addrs != after.addrs {
		t.Errorf("addresses changed: %v, %v", before.addrs, after.addrs)
	}
	c, err := h.Dial(t.Context(), "tcp", serveEcho(t, after, after.addrs.V4).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := converse(t, c, "new"); got != "new" {
		t.Errorf("got %q", got)
	}
}

func TestAttachFailsWithoutRemains(t *testing.T) {
	h := openHub(t, Config{})
	notNetns, err := os.Open("/proc/self/ns/uts")
	if err != nil {
		t.Fatal(err)
	}
	defer notNetns.Close()
	pod := newTestPod(t)
	for name, attach := range map[string]func() (Addrs, error){
		"wrong namespace": func() (Addrs, error) { return h.Attach(notNetns, Endpoint{ID: "a"}) },
		"no ID":           func() (Addrs, error) { return h.Attach(pod.netns, Endpoint{}) },
		"foreign address": func() (Addrs, error) { return h.Attach(pod.netns, Endpoint{ID: "a", Addrs: hostAddrs}) },
		"gateway's address": func() (Addrs, error) {
			return h.Attach(pod.netns, Endpoint{ID: "a", Addrs: h.Gateway()})
		},
	} {
		if _, err := attach(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if ids := h.Attached(); len(ids) != 0 {
		t.Errorf("attached: %v", ids)
	}
}

func TestCloseLeavesNothingOpen(t *testing.T) {
	netns := newNetns(t)
	pod := newTestPod(t)
	to, toUDP := serveEcho(t, nil, hostV4), serveEchoPackets(t, nil, hostV6)
	cycle := func() {
		h, err := Open(Config{Netns: netns, ResolvConf: os.DevNull})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Attach(pod.netns, Endpoint{ID: "a", Name: "a", Namespace: "default"}); err != nil {
			t.Fatal(err)
		}
		c, u := pod.dial(t, "tcp", to), pod.dial(t, "udp", toUDP)
		converseUDP(t, u, "x")
		converse(t, c, "x")
		lingering := pod.dial(t, "tcp", to)
		for _, c := range []net.Conn{c, u, lingering} {
			defer c.Close()
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}
	cycle() // the runtime's own descriptors and threads
	files, routines := openFiles(t), runtime.NumGoroutine()
	for range 5 {
		cycle()
	}
	deadline := time.Now().Add(20 * time.Second) // the servers of the test end when they hear of it
	for (openFiles(t) > files || runtime.NumGoroutine() > routines) && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if got := openFiles(t); got > files {
		t.Errorf("%d files open, before: %d", got, files)
	}
	if got := runtime.NumGoroutine(); got > routines {
		t.Errorf("%d goroutines, before: %d", got, routines)
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
	}
}

func openFiles(t *testing.T) int {
	entries, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestMainThreadStaysOnHost(t *testing.T) {
	home, err := os.Readlink("/proc/self/ns/net") // that of the main thread
	if err != nil {
		t.Fatal(err)
	}
	netns := newNetns(t)
	for range 50 {
		th, err := startThread(netns)
		if err != nil {
			t.Fatal(err)
		}
		if now, err := os.Readlink("/proc/self/ns/net"); err != nil || now != home {
			t.Errorf("main thread is in %s, %v, was in %s", now, err, home)
		}
		th.close()
	}
}
