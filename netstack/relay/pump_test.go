package relay

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/egress"
)

// More of them take long with the race detector on a busy machine.
var copyMegabytes = flag.Int("copy", 8, "how many megabytes a test of copying sends")

// patience is how long a test waits for what has to happen.
const patience = time.Minute

// dialed is a connection over the loopback: what one end sends, the other receives.
func dialed(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr)); err != nil {
		t.Fatal(err)
	}
	if b, err = l.AcceptTCP(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*net.TCPConn{a, b} {
		t.Cleanup(func() { c.Close() })
		_ = c.SetDeadline(time.Now().Add(patience))
	}
	return a, b
}

// taken is the descriptor of a connection, which is the caller's, with the options of a stream.
func taken(t *testing.T, c *net.TCPConn) int {
	t.Helper()
	fd, err := take(c)
	if err == nil {
		err = SetStreamOptions(fd)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	return fd
}

// reset closes a connection with RST.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// testRelay copies but has no hub.
func testRelay(t *testing.T) *Relay {
	t.Helper()
	r := &Relay{cfg: egress.Config{}.WithDefaults(), holds: newHolds(8), tcp: egress.NewRegistry(100, 100)}
	var err error
	if r.poller, err = newPoller(); err != nil {
		t.Fatal(err)
	}
	r.poller.start()
	t.Cleanup(func() {
		r.tcp.Close()
		r.poller.stopWorkers()
		r.poller.close()
	})
	return r
}

// relayed is a Pod's end and a server's end of one flow.
func relayed(t *testing.T, r *Relay) (pod, server *net.TCPConn, s *stream) {
	pod, podSide := dialed(t)
	hostSide, server := dialed(t)
	s = newStream(r, key{src: netip.MustParseAddrPort(pod.LocalAddr().String())})
	s.pod, s.host, s.state = taken(t, podSide), taken(t, hostSide), offered // as from the listener
	r.tcp.Add(s.src.Addr(), s)
	if err := r.poller.add(s.host, streamEvents, s); err != nil {
		t.Fatal(err)
	}
	w := &worker{buf: make([]byte, largestRead)}
	s.post(w, podArrived)
	go func() {
		for len(w.again) > 0 {
			turns := w.again
			w.again = nil
			for _, j := range turns {
				j.handler.ready(w, j.fd, j.events)
			}
		}
	}()
	return pod, server, s
}

// isGone waits for the end of a flow.
func isGone(t *testing.T, s *stream) {
	t.Helper()
	for deadline := time.Now().Add(patience); len(s.relay.tcp.Of(s.src.Addr())) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the flow is still there")
		}
	}
}

func noise(size int, seed byte) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// copiesBothWays sends that many megabytes up, and half of them down.
func copiesBothWays(t *testing.T, megabytes int) {
	pod, server, s := relayed(t, testRelay(t))
	up, down := noise(megabytes<<20+17, 1), noise(megabytes<<19+1, 2)
	results := make(chan error, 4)
	for c, data := range map[*net.TCPConn][]byte{pod: up, server: down} {
		go func() {
			_, err := c.Write(data)
			results <- errors.Join(err, c.CloseWrite())
		}()
	}
	for c, want := range map[*net.TCPConn][]byte{pod: down, server: up} {
		go func() {
			got, err := io.ReadAll(c)
			if err == nil && !bytes.Equal(got, want) {
				err = errors.New("other bytes arrived")
			}
			results <- err
		}()
	}
	for range cap(results) {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	isGone(t, s)
}

func TestStreamCopiesBothWaysAtOnce(t *testing.T) { copiesBothWays(t, *copyMegabytes) }

// TestStreamCopiesWhileMuchIsStalled reads by looking first, as there is no room for what others do not take.
func TestStreamCopiesWhileMuchIsStalled(t *testing.T) {
	stalled.Add(stallBudget)
	defer stalled.Add(-stallBudget)
	copiesBothWays(t, *copyMegabytes)
}

func TestStreamHalfClose(t *testing.T) {
	pod, server, s := relayed(t, testRelay(t))
	if err := pod.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(server); err != nil || len(rest) != 0 {
		t.Fatalf("server got %q, %v", rest, err)
	}
	if len(s.relay.tcp.Of(s.src.Addr())) != 1 {
		t.Fatal("ended with one direction open")
	}
	if _, err := server.Write([]byte("answer")); err != nil {
		t.Fatal(err)
	}
	server.Close()
	if got, err := io.ReadAll(pod); err != nil || string(got) != "answer" {
		t.Errorf("pod got %q, %v", got, err)
	}
	isGone(t, s)
}

// TestStreamEndsInOneSegment: data and end come at once, so there is one event for both.
func TestStreamEndsInOneSegment(t *testing.T) {
	for range 50 {
		pod, server, s := relayed(t, testRelay(t))
		_, _ = server.Write([]byte("all"))
		_ = server.CloseWrite()
		if got, err := io.ReadAll(pod); err != nil || string(got) != "all" {
			t.Fatalf("pod got %q, %v", got, err)
		}
		pod.Close()
		isGone(t, s)
	}
}

func TestStreamPassesReset(t *testing.T) {
	r := testRelay(t)
	for _, halfClosed := range []bool{false, true} {
		for _, fromPod := range []bool{false, true} {
			pod, server, s := relayed(t, r)
			breaks, feels := server, pod
			if fromPod {
				breaks, feels = pod, server
			}
			if halfClosed {
				_ = breaks.CloseWrite()
				_, _ = io.ReadAll(feels)
			}
			reset(breaks)
			isGone(t, s)
			if !halfClosed {
				if _, err := feels.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
					t.Errorf("from pod %t: got %v", fromPod, err)
				}
			} else if _, err := feels.Write([]byte("x")); !errors.Is(err, unix.ECONNRESET) && !errors.Is(err, unix.EPIPE) {
				t.Errorf("from pod %t, half closed: got %v", fromPod, err)
			}
		}
	}
}

func TestStreamAbort(t *testing.T) {
	pod, server, s := relayed(t, testRelay(t))
	s.Abort()
	s.Abort()
	for _, c := range []net.Conn{pod, server} {
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("got %v", err)
		}
	}
	isGone(t, s)
}

// TestStalledStreamsAreBounded: a server never reads. Of what pods send then, the relay keeps no more than its budget and what its workers are at.
func TestStalledStreamsAreBounded(t *testing.T) {
	r := testRelay(t)
	before := stalled.Load()
	limit := before + stallBudget/2 + maxWorkers*largestRead
	data := make([]byte, 16<<20)
	var pods []*net.TCPConn
	for range 64 {
		pod, _, _ := relayed(t, r)
		pods = append(pods, pod)
		_ = pod.SetDeadline(time.Now().Add(2 * time.Second))
		go func() { _, _ = pod.Write(data) }()
	}
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if got := stalled.Load(); got > limit {
			t.Fatalf("%d bytes are kept", got)
		}
	}
	for _, c := range pods {
		reset(c)
	}
	for deadline := time.Now().Add(20 * time.Second); stalled.Load() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes are kept of streams that are gone", stalled.Load()-before)
		}
	}
}

// TestStreamPassesUrgentData: an urgent byte stays in its place as an ordinary one, whatever signals the workers get meanwhile. In front of
// one, the kernel tells a thread with a signal that there is nothing.
func TestStreamPassesUrgentData(t *testing.T) {
	for _, much := range []int64{0, stallBudget} {
		stalled.Add(much)
		passesUrgentData(t)
		stalled.Add(-much)
	}
}

func passesUrgentData(t *testing.T) {
	pod, server, s := relayed(t, testRelay(t))
	fd := taken(t, pod)
	sent, signalled := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(signalled)
		for {
			select {
			case <-sent:
				return
			default:
				signalThreads()
			}
		}
	}()
	for range 500 {
		before, after := noise(rand.IntN(1000), 1), noise(rand.IntN(100), 2)
		_, _ = unix.Write(fd, before)
		if err := unix.Sendto(fd, []byte("!"), unix.MSG_OOB, nil); err != nil {
			t.Fatal(err)
		}
		_, _ = unix.Write(fd, after)
		want := slices.Concat(before, []byte("!"), after)
		// It has to come without anything more being sent.
		got := make([]byte, len(want))
		if n, err := io.ReadFull(server, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("got %d of %d bytes, %v", n, len(got), err)
		}
	}
	close(sent)
	<-signalled
	_ = unix.Close(fd)
	server.Close()
	isGone(t, s)
}

// signalThreads interrupts every thread, with the signal that the runtime itself uses for that.
func signalThreads() {
	threads, _ := os.ReadDir("/proc/self/task")
	for _, thread := range threads {
		if id, err := strconv.Atoi(thread.Name()); err == nil {
			_ = unix.Tgkill(os.Getpid(), id, unix.SIGURG)
		}
	}
}

func TestNextClass(t *testing.T) {
	last := len(readSizes) - 1
	for _, test := range []struct{ class, got, want int }{
		{0, 1, 0}, {0, readSizes[0], 1}, {1, readSizes[1], 2}, {last, readSizes[last], last},
		{1, readSizes[0], 1}, {1, readSizes[0]/2 - 1, 0}, {last, 1, last - 1}, {1, readSizes[1] - 1, 1},
	} {
		if got := nextClass(uint8(test.class), test.got); int(got) != test.want {
			t.Errorf("class %d after %d bytes: %d, want %d", test.class, test.got, got, test.want)
		}
	}
}
