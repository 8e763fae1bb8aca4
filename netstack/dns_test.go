package netstack

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// resolver asks one name server from within a Pod.
func resolver(pod *testPod, server netip.Addr, network string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (c net.Conn, err error) {
		return pod.tryDial(network, netip.AddrPortFrom(server, 53))
	}}
}

func lookUp(t *testing.T, pod *testPod, server netip.Addr, name string, want Addrs) {
	t.Helper()
	for _, network := range []string{"udp", "tcp"} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		got, err := resolver(pod, server, network).LookupNetIP(ctx, "ip", name+".")
		cancel()
		slices.SortFunc(got, netip.Addr.Compare)
		if err != nil || !slices.Equal(got, []netip.Addr{want.V4, want.V6}) {
			t.Errorf("%s by %s from %s: %v, %v; want %v", name, network, server, got, err, want)
		}
	}
}

func TestPodNames(t *testing.T) {
	h := openHub(t, Config{ClusterDomain: "example.internal"})
	server, client := attachPod(t, h, "server"), attachPod(t, h, "client")
	for _, gateway := range families(h.Gateway()) {
		lookUp(t, client, gateway, "server.default.pod.example.internal", server.addrs)
	}
	names, err := resolver(client, h.Gateway().V4, "udp").LookupAddr(t.Context(), server.addrs.V6.String())
	if err != nil || !slices.Equal(names, []string{"server.default.pod.example.internal."}) {
		t.Errorf("reverse: %v, %v", names, err)
	}
	if err := h.Detach("uid-server"); err != nil {
		t.Fatal(err)
	}
	_, err = resolver(client, h.Gateway().V4, "udp").LookupHost(t.Context(), "server.default.pod.example.internal.")
	if dnsErr, ok := err.(*net.DNSError); !ok || !dnsErr.IsNotFound {
		t.Errorf("name of a detached pod: %v", err)
	}
}

func TestForeignNamesGoToTheHostsServer(t *testing.T) {
	resolvConf := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(resolvConf, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	// The host's server is another hub's, on whose gateway address it listens: a real one.
	upstream := openHub(t, Config{ClusterDomain: "example.org", IPv4: netip.MustParsePrefix("10.77.0.0/24"), IPv6: netip.MustParsePrefix("fd77::/64")})
	known := attachPod(t, upstream, "www")
	serveUpstream(t, upstream)

	h := openHub(t, Config{ResolvConf: resolvConf})
	pod := attachPod(t, h, "client")
	_, err := resolver(pod, h.Gateway().V4, "udp").LookupHost(t.Context(), "www.default.pod.example.org.")
	if dnsErr, ok := err.(*net.DNSError); !ok || dnsErr.IsNotFound || dnsErr.IsTimeout {
		t.Errorf("without a name server: %v, want SERVFAIL", err)
	}
	if err := os.WriteFile(resolvConf, []byte("nameserver 127.0.0.53\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	lookUp(t, pod, h.Gateway().V4, "www.default.pod.example.org", known.addrs)
	lookUp(t, pod, h.Gateway().V6, "www.default.pod.example.org", known.addrs)
}

// serveUpstream makes the hub's name server answer on the host's 127.0.0.53 as well.
func serveUpstream(t *testing.T, h *Hub) {
	t.Helper()
	packets, err := net.ListenPacket("udp", "127.0.0.53:53")
	if err != nil {
		t.Fatal(err)
	}
	h.dns.ServePackets(packets)
	streams, err := net.Listen("tcp", "127.0.0.53:53")
	if err != nil {
		t.Fatal(err)
	}
	h.dns.ServeStreams(streams)
}
