package netstack

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var soakTime = flag.Duration("soak", 5*time.Second, "how long TestSoak goes on with each engine")

// TestSoak opens and closes flows of all kinds at random. What stays open afterwards, while hub and Pods are still there, has leaked.
func TestSoak(t *testing.T) {
	for _, kind := range ownEngines() {
		t.Run(kind.name, func(t *testing.T) { soakEngine(t, kind.name) })
	}
}

func soakEngine(t *testing.T, engine string) {
	s := newSoak(t, engine)
	s.run(t, 2*time.Second) // what is made once: threads, pools, caches
	before := s.settle(usage{})
	s.run(t, *soakTime)
	after := s.settle(before)
	t.Logf("%d flows; before: %v; after: %v", s.flows, before, after)
	if after.files > before.files || after.routines > before.routines {
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
		t.Errorf("before: %v; after: %v", before, after)
	}
	// A heap has holes: what leaked for each of very many flows is more than that.
	if grown := int64(after.memory - before.memory); grown > 4<<20+s.flows*64 {
		t.Errorf("%d kB more in use after %d flows", grown>>10, s.flows)
	}
}

type soak struct {
	hub    *Hub
	server *testPod
	pods   []*testPod
	guest  *testPod // comes and goes

	host, hostUDP   map[string]netip.AddrPort // by family
	port, portUDP   uint16                    // published, of server
	rude, welcoming netip.AddrPort            // end connections in their ways
	nobody          netip.AddrPort

	mu    sync.Mutex
	flows int64
	wrong int
}

func newSoak(t *testing.T, engine string) *soak {
	s := &soak{hub: openHub(t, Config{Engine: engine, udpIdle: 2 * time.Second}), host: map[string]netip.AddrPort{}, hostUDP: map[string]netip.AddrPort{}}
	for name, addr := range families(hostAddrs) {
		s.host[name], s.hostUDP[name] = serveEcho(t, nil, addr), serveEchoPackets(t, nil, addr)
	}
	s.server = attachPod(t, s.hub, "server")
	s.port, s.portUDP = freePort(t), freePort(t)
	if err := s.hub.Publish("uid-server", []Port{
		{Protocol: "tcp", HostPort: s.port, PodPort: serveEcho(t, s.server, netip.IPv6Unspecified()).Port()},
		{Protocol: "udp", HostPort: s.portUDP, PodPort: serveEchoPackets(t, s.server, netip.IPv6Unspecified()).Port()},
	}); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		s.pods = append(s.pods, attachPod(t, s.hub, fmt.Sprint("client-", i)))
	}
	s.guest = newTestPod(t)
	s.rude = serveEnd(t, func(c *net.TCPConn) { _ = c.SetLinger(0) })
	s.welcoming = serveEnd(t, func(c *net.TCPConn) {
		_, _ = c.Write([]byte("welcome"))
		_ = c.CloseWrite()
		_, _ = io.Copy(io.Discard, c)
	})
	l, nobody := listenTCP(t, nil, hostV4)
	l.Close()
	s.nobody = nobody
	return s
}

// serveEnd hears the first bytes of each connection and ends it.
func serveEnd(t *testing.T, end func(*net.TCPConn)) netip.AddrPort {
	l, at := listenTCP(t, nil, hostV4)
	go func() {
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = c.Read(make([]byte, 10))
				end(c)
			}()
		}
	}()
	return at
}

// run has every Pod, and the host, do what they like.
func (s *soak) run(t *testing.T, long time.Duration) {
	var all sync.WaitGroup
	until := time.Now().Add(long)
	for worker := range 16 {
		r := rand.New(rand.NewPCG(uint64(worker), uint64(long)))
		all.Go(func() {
			for time.Now().Before(until) {
				s.once(t, s.pods[worker%len(s.pods)], r)
			}
		})
	}
	all.Go(func() { s.comeAndGo(t, until) })
	all.Wait()
}

func (s *soak) once(t *testing.T, pod *testPod, r *rand.Rand) {
	family := []string{"IPv4", "IPv6"}[r.IntN(2)]
	say := strings.Repeat("0123456789", r.IntN(20000)) // more than one buffer, now and then
	what, err := "", error(nil)
	switch r.IntN(11) {
	case 0:
		what, err = "talk", talk(pod, s.host[family], say)
	case 1:
		what, err = "talk by a published port", talk(nil, netip.AddrPortFrom(families(hostAddrs)[family], s.port), say)
	case 2:
		what, err = "hairpin", talk(pod, netip.AddrPortFrom(families(hostAddrs)[family], s.port), say)
	case 3:
		what, err = "hang up at once", leave(pod, s.host[family], "", false)
	case 4:
		what, err = "reset", leave(pod, s.host[family], say, true)
	case 5:
		what, err = "reset by a published port", leave(nil, netip.AddrPortFrom(families(hostAddrs)[family], s.port), say, true)
	case 6:
		what, err = "be reset", beLeft(pod, s.rude)
	case 7:
		what, err = "be left", beLeft(pod, s.welcoming)
	case 8:
		what, err = "be refused", expect(unix.ECONNREFUSED, talk(pod, s.nobody, say))
	case 9:
		what, err = "UDP", ask(pod, s.hostUDP[family])
		err = errors.Join(err, ask(nil, netip.AddrPortFrom(families(hostAddrs)[family], s.portUDP)))
	case 10:
		what, err = "DNS", s.lookUp(t, pod, []string{"udp", "tcp"}[r.IntN(2)])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flows++
	if err != nil {
		if s.wrong++; s.wrong < 20 {
			t.Errorf("%s (%s): %v", what, family, err)
		}
	}
}

// dialFrom the host, if there is no Pod.
func dialFrom(pod *testPod, network string, to netip.AddrPort) (c net.Conn, err error) {
	err = onThread(pod, func() error {
		c, err = net.DialTimeout(network, to.String(), time.Minute)
		return err
	})
	if err == nil {
		_ = c.SetDeadline(time.Now().Add(time.Minute))
	}
	return c, err
}

func talk(pod *testPod, to netip.AddrPort, say string) error {
	c, err := dialFrom(pod, "tcp", to)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := io.WriteString(c, say); err != nil {
		return err
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	heard, err := io.ReadAll(c)
	if err == nil && string(heard) != say {
		err = fmt.Errorf("heard %d bytes of %d", len(heard), len(say))
	}
	return err
}

// leave ends a connection whose answer nobody has read.
func leave(pod *testPod, to netip.AddrPort, say string, reset bool) error {
	c, err := dialFrom(pod, "tcp", to)
	if err != nil {
		return err
	}
	_, err = io.WriteString(c, say)
	if reset {
		_ = c.(*net.TCPConn).SetLinger(0)
	}
	return errors.Join(err, c.Close())
}

// beLeft goes on until the other side has ended the connection.
func beLeft(pod *testPod, to netip.AddrPort) error {
	c, err := dialFrom(pod, "tcp", to)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = io.WriteString(c, "0123456789")
	if _, e := io.Copy(io.Discard, c); e != nil && !errors.Is(e, unix.ECONNRESET) {
		err = errors.Join(err, e)
	}
	return err
}

func expect(want unix.Errno, err error) error {
	if errors.Is(err, want) {
		return nil
	}
	return fmt.Errorf("%v, want %v", err, want)
}

// ask until there is an answer: datagrams may get lost, and flows be ended in favour of newer ones.
func ask(pod *testPod, to netip.AddrPort) error {
	c, err := dialFrom(pod, "udp", to)
	if err != nil {
		return err
	}
	defer c.Close()
	for range 10 {
		_, _ = c.Write([]byte("hello"))
		_ = c.SetReadDeadline(time.Now().Add(3 * time.Second))
		b := make([]byte, 100)
		var n int
		if n, err = c.Read(b); err == nil && strings.HasSuffix(string(b[:n]), " hello") {
			return nil
		}
	}
	return fmt.Errorf("no answer: %w", err)
}

func (s *soak) lookUp(t *testing.T, pod *testPod, network string) error {
	names, err := resolver(pod, s.hub.Gateway().V4, network).LookupHost(t.Context(), "server.default.pod.cluster.local.")
	if err == nil && len(names) != 2 {
		err = fmt.Errorf("got %v", names)
	}
	return err
}

// comeAndGo attaches a Pod and takes it away again in the middle of its flows.
func (s *soak) comeAndGo(t *testing.T, until time.Time) {
	port := freePort(t)
	for time.Now().Before(until) {
		_, err := s.hub.Attach(s.guest.netns, Endpoint{ID: "uid-guest", Name: "guest", Namespace: "default"})
		if err == nil {
			err = s.hub.Publish("uid-guest", []Port{{Protocol: "tcp", HostPort: port, PodPort: 80}})
		}
		if err != nil {
			t.Error("a guest:", err)
			return
		}
		c, err := dialFrom(s.guest, "tcp", s.host["IPv4"])
		if err == nil {
			_, err = c.Write([]byte("hello"))
			defer c.Close()
		}
		u, err2 := dialFrom(s.guest, "udp", s.hostUDP["IPv6"])
		if err2 == nil {
			_, _ = u.Write([]byte("hello"))
			defer u.Close()
		}
		if err := errors.Join(err, err2, s.hub.Detach("uid-guest")); err != nil {
			t.Error("a guest:", err)
			return
		}
		if c != nil {
			c.Close()
		}
		if u != nil {
			u.Close()
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// usage is what a process has.
type usage struct {
	files, routines int
	memory          uint64
}

func (u usage) String() string {
	return fmt.Sprintf("%d files, %d goroutines, %d kB", u.files, u.routines, u.memory>>10)
}

// settle waits until no more is in use than at the aim, or nothing has changed for long enough: the minute in which the gvisor engine still
// listens to who has been left is the longest that anything lasts.
func (s *soak) settle(aim usage) usage {
	now, since := s.usageNow(), time.Now()
	for (now.files > aim.files || now.routines > aim.routines) && time.Since(since) < 75*time.Second {
		time.Sleep(500 * time.Millisecond)
		next := s.usageNow()
		if next.files < now.files || next.routines < now.routines {
			since = time.Now()
		}
		now = next
		if aim == (usage{}) && time.Since(since) > 5*time.Second {
			break
		}
	}
	return usage{now.files, now.routines, memoryInUse()}
}

// usageNow leaves out the sockets that wait to be used.
func (s *soak) usageNow() usage {
	entries, _ := os.ReadDir("/proc/self/fd")
	return usage{files: len(entries) - s.hub.sockets.waiting(), routines: runtime.NumGoroutine()}
}
