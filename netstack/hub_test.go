package netstack

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
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

func endpointOf(a net.Addr) netip.AddrPort {
	p := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
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
	late := func() error { // as of a connection that is accepted when its Pod has gone
		_, err := h.permit("tcp", netip.AddrPortFrom(pod.addrs.V4, 1024), to)
		return err
	}
	if err := late(); err != nil {
		t.Error("a pod that is there:", err)
	}
	for range 2 {
		if err := h.Detach("uid-one"); err != nil {
			t.Fatal(err)
		}
	}
	if err := late(); !errors.Is(err, ErrRefused) {
		t.Error("a flow of a pod that has gone:", err)
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
