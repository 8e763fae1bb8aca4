package netstack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/egress"
	"github.com/peapod/peapod/netstack/slirp"
)

// requireEngine skips a test whose engine needs a program or a device that is not there. Where PEAPOD_TEST_REQUIRE says that all programs are there, only the
// device may be missing: containers often have none.
func requireEngine(t testing.TB, name string) {
	t.Helper()
	for _, program := range []slirp.Program{slirp.Slirp4netns, slirp.Pasta} {
		if program.Name != name {
			continue
		}
		err := program.Check()
		if err != nil && os.Getenv("PEAPOD_TEST_REQUIRE") != "" && errors.Is(err, exec.ErrNotFound) {
			t.Fatal(err)
		}
		if err != nil {
			t.Skip(err)
		}
	}
	if name == slirp.Pasta.Name {
		haveDefaultRoutes(t)
	}
}

// haveDefaultRoutes gives the host of the tests a way to everywhere, which pasta wants to see, until the end of a test.
func haveDefaultRoutes(t testing.TB) {
	t.Helper()
	host, err := openRtnl()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(host.close)
	const name = "uplink"
	err = host.do(newMessage("create uplink", unix.RTM_NEWLINK, createNew, linkHeader(0, true)...).
		attrString(unix.IFLA_IFNAME, name).
		nest(unix.IFLA_LINKINFO, func(info *message) { info.attrString(unix.IFLA_INFO_KIND, "bridge") }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := host.do(delLink(name)); err != nil {
			t.Error(err)
		}
	})
	uplink, err := host.link(name)
	if err != nil {
		t.Fatal(err)
	}
	var messages []*message
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		messages = append(messages, newMessage("add default route", unix.RTM_NEWROUTE, createNew,
			routeHeader(family, unix.RT_TABLE_MAIN, unix.RT_SCOPE_LINK, unix.RTN_UNICAST)...).
			attr32(unix.RTA_OIF, uint32(uplink.index)))
	}
	if err := host.do(messages...); err != nil {
		t.Fatal(err)
	}
}

// tapCases are what the engines with a tap device have in common, with all versions of their programs.
var tapCases = []struct {
	name string
	run  func(t *testing.T, engine string)
}{
	{"a pod speaks with the host", tapSpeaks},
	{"what the relay keeps", tapKeeps},
	{"the host's loopback by another name", tapHostileAddress},
	{"published ports", tapPublishes},
	{"ping", tapPings}, // permits it for good
	{"the program dies", tapProgramDies},
	{"a node dies", tapNodeDies},
}

func TestTapEngines(t *testing.T) {
	for _, test := range tapCases {
		for _, program := range []slirp.Program{slirp.Slirp4netns, slirp.Pasta} {
			t.Run(test.name+"/"+program.Name, func(t *testing.T) {
				requireEngine(t, program.Name)
				test.run(t, program.Name)
			})
		}
	}
}

func tapSpeaks(t *testing.T, engine string) {
	h := openHub(t, Config{Engine: engine})
	pod := attachPod(t, h, "client")
	for name, addr := range families(hostAddrs) {
		t.Run(name, func(t *testing.T) {
			repeated(t, pod.dial(t, "tcp", serveRepeat(t, nil, addr)))
			to := serveEchoPackets(t, nil, addr)
			one, two := pod.dial(t, "udp", to), pod.dial(t, "udp", to)
			for _, c := range []net.Conn{one, two, one} { // each hears its own, from the host's own address
				if got, want := converseUDP(t, c, c.LocalAddr().String()), addr.String()+" "+c.LocalAddr().String(); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		})
	}
	if sent := h.forwarded(t); sent == 0 {
		t.Error("the program has carried nothing of it")
	}
}

// forwarded is how many packets the hub's kernel has passed on, of both families.
func (h *Hub) forwarded(t *testing.T) (packets int) {
	t.Helper()
	err := h.thread.do(func() error {
		v4, err4 := os.ReadFile("/proc/thread-self/net/snmp") // a line of names, a line of values
		v6, err6 := os.ReadFile("/proc/thread-self/net/snmp6")
		lines := strings.SplitN(string(v4), "\n", 3)
		for i, name := range strings.Fields(lines[0]) {
			if name == "ForwDatagrams" {
				packets, _ = strconv.Atoi(strings.Fields(lines[1])[i])
			}
		}
		_, rest, _ := strings.Cut(string(v6), "Ip6OutForwDatagrams")
		more, err := strconv.Atoi(strings.Fields(rest)[0])
		packets += more
		return errors.Join(err4, err6, err)
	})
	if err != nil {
		t.Fatal(err)
	}
	return packets
}

// tapKeeps: Services, the host's loopback, what is closed, and what the program itself would answer for.
func tapKeeps(t *testing.T, engine string) {
	h := openHub(t, Config{Engine: engine})
	server, client := attachPod(t, h, "server"), attachPod(t, h, "client")
	target := serveRepeat(t, server, server.addrs.V4)
	service := netip.MustParseAddrPort("198.19.0.5:80")
	failed := h.SetServices([]Service{{ID: "one", Addrs: []netip.Addr{service.Addr()}, Ports: []ServicePort{{Protocol: "tcp", Port: 80, Targets: []netip.AddrPort{target}}}}})
	if len(failed) > 0 {
		t.Fatal(failed)
	}
	repeated(t, client.dial(t, "tcp", service))

	loopback := serveRepeat(t, nil, netip.MustParseAddr("127.0.0.1"))
	closedToPod(t, client, netip.AddrPortFrom(HostLoopback4, loopback.Port()))
	before := h.forwarded(t)
	for _, program := range []slirp.Program{slirp.Slirp4netns, slirp.Pasta} {
		if program.Name == engine {
			for _, gateway := range []netip.Addr{program.Network.Gateway4, program.Network.Addr4.Addr()} {
				closedToPod(t, client, netip.AddrPortFrom(gateway, loopback.Port()))
			}
			c, err := client.tryDial("tcp", netip.AddrPortFrom(program.Network.Gateway6, loopback.Port()))
			if err == nil {
				c.Close()
				t.Errorf("a pod reached somebody at %s", program.Network.Gateway6)
			}
		}
	}
	for _, to := range []netip.Addr{metadataV4, netip.MustParseAddr("0.1.2.3")} {
		closedToPod(t, client, netip.AddrPortFrom(to, loopback.Port()))
	}
	if sent := h.forwarded(t); sent != before {
		t.Errorf("%d packets for closed addresses went to the program", sent-before)
	}
	if err := h.Adopt(Endpoint{ID: "uid-client", Name: "client", Namespace: "default", HostLoopback: true}); err != nil {
		t.Fatal(err)
	}
	repeated(t, client.dial(t, "tcp", netip.AddrPortFrom(HostLoopback4, loopback.Port())))
}

// tapHostileAddress sends what no kernel would: an IPv6 packet to an address that stands for an IPv4 one. A program that takes it as it is connects to the host's
// loopback.
func tapHostileAddress(t *testing.T, engine string) {
	h := openHub(t, Config{Engine: engine})
	pod := attachPod(t, h, "client")
	server, at := listenUDP(t, nil, netip.MustParseAddr("127.0.0.1"))
	control, controlAt := listenUDP(t, nil, hostV6)
	sendByHand(t, h, pod, netip.AddrPortFrom(netip.MustParseAddr("::ffff:127.0.0.1"), at.Port()))
	sendByHand(t, h, pod, controlAt)
	_ = control.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := control.Read(make([]byte, 10)); err != nil {
		t.Error("an ordinary packet made in the same way does not arrive:", err)
	}
	_ = server.SetDeadline(time.Now().Add(200 * time.Millisecond))
	if _, err := server.Read(make([]byte, 10)); err == nil {
		t.Error("a pod reached the host's loopback")
	}
}

// sendByHand has a Pod send an IPv6 packet with a datagram straight to the gateway's MAC.
func sendByHand(t *testing.T, h *Hub, pod *testPod, to netip.AddrPort) {
	t.Helper()
	const payload = "hello"
	src, dst := pod.addrs.V6.As16(), to.Addr().As16()
	length := uint16(8 + len(payload))
	udp := binary.BigEndian.AppendUint16([]byte{0x30, 0x39}, to.Port())
	udp = append(binary.BigEndian.AppendUint16(udp, length), 0, 0)
	udp = append(udp, payload...)
	sum := uint32(length) + unix.IPPROTO_UDP // of the pseudo header (RFC 8200, 8.1)
	for _, b := range [][]byte{src[:], dst[:], append(slices.Clone(udp), 0)} {
		for i := 0; i+1 < len(b); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(b[i:]))
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(udp[6:], ^uint16(sum))
	frame := slices.Concat(hardwareAddr(h.Gateway().V4), hardwareAddr(pod.addrs.V4), []byte{0x86, 0xdd, 0x60, 0, 0, 0},
		binary.BigEndian.AppendUint16(nil, length), []byte{unix.IPPROTO_UDP, 64}, src[:], dst[:], udp)
	err := pod.do(func() error {
		eth, err := net.InterfaceByName(podLink)
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: eth.Index})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tapPublishes: a Pod's answers to a client find the socket of the hub that speaks for him, and not the way out.
func tapPublishes(t *testing.T, engine string) {
	h := openHub(t, Config{Engine: engine})
	pod := attachPod(t, h, "server")
	for name, addr := range families(hostAddrs) {
		t.Run(name, func(t *testing.T) {
			podAddr := pod.addrs.V4
			if addr.Is6() {
				podAddr = pod.addrs.V6
			}
			l, at := listenTCP(t, pod, podAddr)
			probe, free := listenTCP(t, nil, addr)
			probe.Close()
			if err := h.Publish("uid-server", []Port{{Protocol: "tcp", HostIP: addr, HostPort: free.Port(), PodPort: at.Port()}}); err != nil {
				t.Fatal(err)
			}
			c, err := net.DialTimeout("tcp", free.String(), 10*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = l.SetDeadline(time.Now().Add(20 * time.Second))
			inside, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer inside.Close()
			if got, want := inside.RemoteAddr().String(), c.LocalAddr().String(); got != want {
				t.Errorf("the client is %s, the pod sees %s", want, got)
			}
			if _, err := inside.Write([]byte("hello")); err != nil {
				t.Error(err)
			}
			b := make([]byte, 5)
			_ = c.SetDeadline(time.Now().Add(20 * time.Second))
			if _, err := c.Read(b); err != nil || string(b) != "hello" {
				t.Errorf("got %q, %v", b, err)
			}
		})
	}
}

func tapPings(t *testing.T, engine string) {
	permitPing(t)
	pod := attachPod(t, openHub(t, Config{Engine: engine}), "client")
	for name, addr := range families(hostAddrs) {
		if addr.Is6() && engine == slirp.Slirp4netns.Name {
			continue
		}
		if got, err := ping(pod.pinger(t, addr), addr.Is4(), 1, "hello"); err != nil || got != "hello" {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

// children are the processes of this one's that have a name.
func children(t *testing.T, name string) (pids []int) {
	t.Helper()
	out, err := exec.Command("ps", "-o", "pid=,args=", "--ppid", strconv.Itoa(os.Getpid())).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		var pid int
		var program string
		if _, err := fmt.Sscan(line, &pid, &program); err == nil && program == name {
			pids = append(pids, pid)
		}
	}
	return pids
}

func tapProgramDies(t *testing.T, engine string) {
	h := openHub(t, Config{Engine: engine})
	pod := attachPod(t, h, "client")
	to := serveRepeat(t, nil, hostV4)
	repeated(t, pod.dial(t, "tcp", to))
	first := children(t, engine)
	if len(first) != 1 {
		t.Fatalf("%v run", first)
	}
	if err := unix.Kill(first[0], unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if now := children(t, engine); len(now) == 1 && now[0] != first[0] {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it was not started again")
		}
	}
	repeated(t, pod.dial(t, "tcp", to)) // a SYN of the meantime is sent again
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if left := children(t, engine); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
	if l, err := linkOf(h.cfg.Netns, tapName); !errors.Is(err, unix.ENODEV) {
		t.Errorf("device: %+v, %v", l, err)
	}
}

// linkOf looks for a link in a namespace.
func linkOf(netns *os.File, name string) (l link, err error) {
	th, err := startThread(netns)
	if err != nil {
		return l, err
	}
	defer th.close()
	err = th.do(func() error {
		c, err := openRtnl()
		if err != nil {
			return err
		}
		defer c.close()
		l, err = c.link(name)
		return err
	})
	return l, err
}

// tapNodeDies: what another process has left, even one that still runs, is not in the way of the next.
func tapNodeDies(t *testing.T, engine string) {
	netns := newNetns(t)
	first := openHub(t, Config{Engine: engine, Netns: netns})
	pod := attachPod(t, first, "client")
	to := serveRepeat(t, nil, hostV4)
	repeated(t, pod.dial(t, "tcp", to))
	second := openHub(t, Config{Engine: engine, Netns: netns})
	repeated(t, pod.dial(t, "tcp", to))
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	repeated(t, pod.dial(t, "tcp", to))
	if sent := second.forwarded(t); sent == 0 {
		t.Error("the second has carried nothing")
	}
}

// TestTapEngineIsAsked: it says what it lacks, and is never taken unasked.
func TestTapEngineIsAsked(t *testing.T) {
	t.Setenv("PATH", "/nowhere")
	_, err := Open(Config{Netns: newNetns(t), ResolvConf: os.DevNull, Engine: "pasta"})
	if err == nil || !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "pasta is not installed; it is in the package passt") {
		t.Errorf("got %v", err)
	}
	kinds := engineKinds
	defer func() { engineKinds = kinds }()
	engineKinds = slices.Clone(kinds)
	tried := map[string]bool{}
	for i := range engineKinds {
		name := engineKinds[i].name
		engineKinds[i].open = func(*Hub, egress.Config) (engine, error) {
			tried[name] = true
			return nil, explainNft(unix.EPROTONOSUPPORT, false)
		}
	}
	if _, err := Open(Config{Netns: newNetns(t), ResolvConf: os.DevNull}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
	if want := map[string]bool{"relay": true, "gvisor": true}; !maps.Equal(tried, want) {
		t.Errorf("tried %v unasked", tried)
	}
}
