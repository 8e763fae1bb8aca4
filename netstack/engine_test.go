package netstack

import (
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

	"github.com/peapod/peapod/netstack/egress"
	"github.com/peapod/peapod/netstack/slirp"
)

// The suite of the engines: every case runs on every engine, but for what package slirp says of slirp4netns. What is true of all versions of pasta is in
// TestTapEngines.
var engineCases = []struct {
	name string
	run  func(t *testing.T, engine string)
	not  string // the engine that does not keep this
}{
	{"a pod reaches the host", podReachesHost, ""},
	{"the host may talk first and end first", hostMayTalkFirstAndEndFirst, ""},
	{"a reset crosses, both ways", resetCrosses, slirp.Slirp4netns.Name},
	{"closed destinations", closedDestinations, ""},
	{"a failure looks as outside", failureLooksAsOutside, slirp.Slirp4netns.Name},
	{"the host's routes change", routesChange, slirp.Slirp4netns.Name},
	{"a silent destination may answer later", silentDestinationMayAnswerLater, ""},
	{"one connection outside for one inside", oneConnectionForOne, ""},
	{"a refused datagram looks as outside", refusedDatagramLooksAsOutside, ""},
	{"the largest datagrams", largestDatagrams, slirp.Slirp4netns.Name},
	{"ping where the host does not permit it", pingNotPermitted, slirp.Slirp4netns.Name},
	{"ping", pingOutside, slirp.Slirp4netns.Name}, // permits it for good
	{"the host's loopback is closed", hostLoopbackIsClosed, ""},
	{"the host's loopback is open to who asks", hostLoopbackIsOpen, ""},
	{"two hubs at once", twoHubsAtOnce, slirp.Slirp4netns.Name},
	{"the next hub serves old pods", nextHubServesOldPods, ""},
	{"close leaves nothing open", closeLeavesNothingOpen, ""},
	{"published ports show clients", publishShowsClients, ""},
	{"many datagrams at once", manyDatagramsAtOnce, ""},
	{"nobody reads", nobodyReads, ""},
	{"a scan", scan, ""},
	{"published UDP ports show clients", publishUDP, ""},
	{"a published port is somebody's", publishConflicts, ""},
	{"a port that is given up ends its flows", unpublishEndsFlows, ""},
	{"services", services, ""},
}

// ownEngines are those whose flows are this process's.
func ownEngines() []engineKind {
	return slices.DeleteFunc(slices.Clone(engineKinds), func(k engineKind) bool { return k.asked })
}

func TestEngines(t *testing.T) {
	for _, test := range engineCases {
		for _, kind := range engineKinds {
			if kind.name == test.not || kind.name == slirp.Pasta.Name {
				continue
			}
			t.Run(test.name+"/"+kind.name, func(t *testing.T) {
				requireEngine(t, kind.name)
				test.run(t, kind.name)
			})
		}
	}
}

// TestEnginesTakeTurns opens one hub with each engine in turn: what the one before left in the kernel must not be in the way.
func TestEnginesTakeTurns(t *testing.T) {
	netns := newNetns(t)
	to := serveRepeat(t, nil, hostV4)
	var pod *testPod
	turn := func(t *testing.T, engine string) {
		h := openHub(t, Config{Engine: engine, Netns: netns})
		if pod == nil {
			pod = attachPod(t, h, "client")
		}
		repeated(t, pod.dial(t, "tcp", to))
		if h.Engine() != engine {
			t.Errorf("%s, want %s", h.Engine(), engine)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}
	turn(t, engineKinds[0].name) // its Pod outlives the turns
	for _, first := range engineKinds {
		for _, second := range engineKinds {
			t.Run(first.name+" "+second.name, func(t *testing.T) {
				requireEngine(t, first.name)
				if second.name != first.name {
					requireEngine(t, second.name)
				}
				turn(t, first.name)
				turn(t, second.name)
			})
		}
	}
}

func TestEngineIsChosen(t *testing.T) {
	h := openHub(t, Config{})
	if got := h.Engine(); got != engineKinds[0].name {
		t.Errorf("got %s", got)
	}
	_, err := Open(Config{Netns: newNetns(t), ResolvConf: os.DevNull, Engine: "carrier pigeon"})
	if err == nil || !strings.Contains(err.Error(), `network engine "carrier pigeon"`) {
		t.Errorf("unknown engine: %v", err)
	}
}

func podReachesHost(t *testing.T, engine string) {
	pod := attachPod(t, openHub(t, Config{Engine: engine}), "client")
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

func hostMayTalkFirstAndEndFirst(t *testing.T, engine string) {
	pod := attachPod(t, openHub(t, Config{Engine: engine}), "client")
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

func resetCrosses(t *testing.T, engine string) {
	pod := attachPod(t, openHub(t, Config{Engine: engine}), "client")
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

// closedToPod dials and expects to be refused.
func closedToPod(t *testing.T, pod *testPod, to netip.AddrPort) {
	t.Helper()
	c, err := pod.tryDial("tcp", to)
	if err == nil {
		c.Close()
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("%s: got %v, want a refusal", to, err)
	}
}

func closedDestinations(t *testing.T, engine string) {
	h := openHub(t, Config{Engine: engine})
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

}

// hostLoopbackIsClosed talks two kernels out of dropping packets for 127.0.0.0/8: the Pod's, which routes them to itself,
// and the hub's, which takes them for martians. What is left is the policy.
func hostLoopbackIsClosed(t *testing.T, engine string) {
	h := openHub(t, Config{Engine: engine})
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
	if !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("got %v, want a refusal", err)
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

func twoHubsAtOnce(t *testing.T, engine string) {
	// The next process may be there before the last one has quite gone.
	netns := newNetns(t)
	first := openHub(t, Config{Engine: engine, Netns: netns})
	pod := attachPod(t, first, "client")
	open := pod.dial(t, "tcp", serveEcho(t, nil, hostV4))
	if _, err := open.Write([]byte("before ")); err != nil {
		t.Fatal(err)
	}
	openHub(t, Config{Engine: engine, Netns: netns})
	c := pod.dial(t, "tcp", serveEcho(t, nil, hostV4))
	if got := converse(t, c, "new"); got != "new" {
		t.Errorf("got %q", got)
	}
	if got := converse(t, open, "after"); got != "before after" {
		t.Errorf("connection of the first: got %q", got)
	}
}

func nextHubServesOldPods(t *testing.T, engine string) {
	netns := newNetns(t)
	first := openHub(t, Config{Engine: engine, Netns: netns})
	server, client := attachPod(t, first, "server"), attachPod(t, first, "client")
	gateway := first.Gateway()
	onBridge := client.dial(t, "tcp", serveEcho(t, server, server.addrs.V4))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if got := converse(t, onBridge, "meanwhile"); got != "meanwhile" {
		t.Errorf("pods with nobody serving the hub: got %q", got)
	}

	second := openHub(t, Config{Engine: engine, Netns: netns})
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

	if _, err := Open(Config{Engine: engine, Netns: netns, IPv4: netip.MustParsePrefix("10.1.0.0/16")}); err == nil {
		t.Error("a hub with pods changed its range")
	}
}

func closeLeavesNothingOpen(t *testing.T, engine string) {
	netns := newNetns(t)
	pod := newTestPod(t)
	to, toUDP := serveEcho(t, nil, hostV4), serveEchoPackets(t, nil, hostV6)
	cycle := func() {
		h, err := Open(Config{Engine: engine, Netns: netns, ResolvConf: os.DevNull})
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

// TestEngineFallsBack has the kernel lack what the first engine needs: a stand-in in its place in the list says so, as a kernel without
// nftables does.
func TestEngineFallsBack(t *testing.T) {
	kinds := engineKinds
	defer func() { engineKinds = kinds }()
	engineKinds = slices.Clone(kinds)
	engineKinds[0].open = func(*Hub, egress.Config) (engine, error) { return nil, explainNft(unix.EPROTONOSUPPORT, false) }
	h := openHub(t, Config{})
	if h.Engine() != "gvisor" {
		t.Errorf("got %s", h.Engine())
	}
	pod := attachPod(t, h, "client")
	if got := converse(t, pod.dial(t, "tcp", serveEcho(t, nil, hostV4)), "hello"); got != "hello" {
		t.Errorf("got %q", got)
	}
	if _, err := Open(Config{Netns: newNetns(t), ResolvConf: os.DevNull, Engine: "relay"}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("forced: %v", err)
	}
}
