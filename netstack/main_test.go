package netstack

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The tests run in a user namespace with a network namespace that plays the host. The test binary starts itself there, as any
// user; and again, once for each Pod, in a child of that user namespace, as a Pod's pause would be.
const roleVar = "PEAPOD_NETSTACK_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVar) {
	case "host":
		os.Exit(runAsHost(m))
	case "pod":
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	cmd := inNewNamespaces("host", os.Getuid(), os.Getgid(), os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			os.Exit(exit.ExitCode())
		}
		fmt.Fprintln(os.Stderr, "start the tests in a user namespace:", err)
		os.Exit(1)
	}
}

func inNewNamespaces(role string, uid, gid int, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), roleVar+"="+role, "GORACE=atexit_sleep_ms=0") // the race detector would have each Pod linger
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}},
	}
	return cmd
}

// The host's addresses: one machine of the documentation ranges, and one that only the host itself should reach.
var (
	hostV4     = netip.MustParseAddr("198.51.100.7")
	hostV6     = netip.MustParseAddr("2001:db8::7")
	metadataV4 = netip.MustParseAddr("169.254.169.254")

	// What the host's routes say about others of the documentation ranges. It has no default route.
	unreachableV4, unreachableV6 = netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("2001:db8:1::1")
	prohibitedV4, prohibitedV6   = netip.MustParseAddr("203.0.113.2"), netip.MustParseAddr("2001:db8:1::2")
	noRouteV4, noRouteV6         = netip.MustParseAddr("203.0.113.3"), netip.MustParseAddr("2001:db8:1::3")
)

// routeOf makes the kernel answer for an address in some way: RTN_UNREACHABLE, RTN_PROHIBIT.
func routeOf(kind uint8, to netip.Addr) *message {
	return newMessage("add route", unix.RTM_NEWROUTE, createNew,
		family(to), uint8(to.BitLen()), uint8(0), uint8(0), uint8(unix.RT_TABLE_MAIN), uint8(unix.RTPROT_STATIC), uint8(unix.RT_SCOPE_UNIVERSE), kind, uint32(0)).
		attr(unix.RTA_DST, to.AsSlice())
}

func runAsHost(m *testing.M) int {
	host, err := openRtnl()
	if err == nil {
		err = host.do(linkUp(loopbackIndex),
			newAddress(loopbackIndex, netip.PrefixFrom(hostV4, 32)),
			newAddress(loopbackIndex, netip.PrefixFrom(hostV6, 128)),
			newAddress(loopbackIndex, netip.PrefixFrom(metadataV4, 32)),
			routeOf(unix.RTN_UNREACHABLE, unreachableV4), routeOf(unix.RTN_UNREACHABLE, unreachableV6),
			routeOf(unix.RTN_PROHIBIT, prohibitedV4), routeOf(unix.RTN_PROHIBIT, prohibitedV6))
		host.close()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "prepare the host of the tests:", err)
		return 1
	}
	return m.Run()
}

// newNetns makes a network namespace that lives as long as the file.
func newNetns(t testing.TB) *os.File {
	t.Helper()
	type result struct {
		file *os.File
		err  error
	}
	made := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			made <- result{nil, err}
			return
		}
		file, err := os.Open("/proc/thread-self/ns/net")
		made <- result{file, err}
	}()
	r := <-made
	if r.err != nil {
		t.Fatal("make network namespace:", r.err)
	}
	t.Cleanup(func() { r.file.Close() })
	return r.file
}

// A testPod is a process with a user namespace and a network namespace, and a thread of ours in the latter.
type testPod struct {
	*thread
	netns *os.File
	addrs Addrs
}

func newTestPod(t testing.TB) *testPod {
	t.Helper()
	cmd := inNewNamespaces("pod", 0, 0)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal("start pod:", err)
	}
	netns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	th, err := startThread(netns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		th.close()
		netns.Close()
		stdin.Close()
		_ = cmd.Wait()
	})
	return &testPod{thread: th, netns: netns}
}

func attachPod(t testing.TB, h *Hub, name string) *testPod {
	t.Helper()
	pod := newTestPod(t)
	var err error
	if pod.addrs, err = h.Attach(pod.netns, Endpoint{ID: "uid-" + name, Name: name, Namespace: "default"}); err != nil {
		t.Fatal(err)
	}
	return pod
}

func openHub(t testing.TB, cfg Config) *Hub {
	t.Helper()
	if cfg.Netns == nil {
		cfg.Netns = newNetns(t)
	}
	if cfg.ResolvConf == "" {
		cfg.ResolvConf = os.DevNull
	}
	h, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error("close hub:", err)
		}
	})
	return h
}

func (p *testPod) dial(t testing.TB, network string, to netip.AddrPort) net.Conn {
	t.Helper()
	c, err := p.tryDial(network, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

func (p *testPod) tryDial(network string, to netip.AddrPort) (c net.Conn, err error) {
	err = p.do(func() error {
		c, err = net.DialTimeout(network, to.String(), 10*time.Second)
		return err
	})
	return c, err
}

// listener is the thread where a server of a test listens: a Pod's, or none for the host.
func listenTCP(t testing.TB, in *testPod, at netip.Addr) (*net.TCPListener, netip.AddrPort) {
	t.Helper()
	var l net.Listener
	err := onThread(in, func() (err error) {
		l, err = net.Listen("tcp", netip.AddrPortFrom(at, 0).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener), l.Addr().(*net.TCPAddr).AddrPort()
}

func listenUDP(t testing.TB, in *testPod, at netip.Addr) (*net.UDPConn, netip.AddrPort) {
	t.Helper()
	var c net.PacketConn
	err := onThread(in, func() (err error) {
		c, err = net.ListenPacket("udp", netip.AddrPortFrom(at, 0).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.UDPConn), c.LocalAddr().(*net.UDPAddr).AddrPort()
}

func onThread(in *testPod, f func() error) error {
	if in == nil {
		return f()
	}
	return in.do(f)
}

// serveEach answers each connection, and ends it.
func serveEach(t testing.TB, in *testPod, at netip.Addr, answer func(net.Conn)) netip.AddrPort {
	l, addr := listenTCP(t, in, at)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				answer(c)
			}()
		}
	}()
	return addr
}

// serveEcho answers each connection with what it got, after its end.
func serveEcho(t testing.TB, in *testPod, at netip.Addr) netip.AddrPort {
	return serveEach(t, in, at, func(c net.Conn) {
		all, _ := io.ReadAll(c)
		_, _ = c.Write(all)
	})
}

// serveRepeat answers with what it gets, as it gets it.
func serveRepeat(t testing.TB, in *testPod, at netip.Addr) netip.AddrPort {
	return serveEach(t, in, at, func(c net.Conn) { _, _ = io.Copy(c, c) })
}

// repeated wants to hear from serveRepeat what it says.
func repeated(t testing.TB, c net.Conn) {
	t.Helper()
	const say = "is anybody there"
	b := make([]byte, len(say))
	if _, err := io.WriteString(c, say); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, b); err != nil || string(b) != say {
		t.Fatalf("got %q, %v", b, err)
	}
}

// serveEchoPackets answers each datagram with the sender's address and the datagram.
func serveEchoPackets(t testing.TB, in *testPod, at netip.Addr) netip.AddrPort {
	c, addr := listenUDP(t, in, at)
	go func() {
		b := make([]byte, 1<<16)
		for {
			n, from, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			_, _ = c.WriteToUDPAddrPort([]byte(from.Addr().Unmap().String()+" "+string(b[:n])), from)
		}
	}()
	return addr
}

// converse sends all of it, ends its direction, and returns the answer.
func converse(t testing.TB, c net.Conn, say string) string {
	t.Helper()
	if _, err := io.Copy(c, strings.NewReader(say)); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	heard, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(heard)
}

// converseUDP sends a datagram and returns the answer. Nothing on the way loses datagrams here.
func converseUDP(t testing.TB, c net.Conn, say string) string {
	t.Helper()
	if _, err := c.Write([]byte(say)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1<<16)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}
