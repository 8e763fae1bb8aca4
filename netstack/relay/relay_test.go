package relay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/egress"
)

// pair is a connection over the loopback: what one end sends, the other receives.
func pair(t *testing.T) (a, b *net.TCPConn) {
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
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	}
	return a, b
}

// spliced is a Pod's end and a server's end with the relay's splice between them.
func spliced(t *testing.T) (pod, server *net.TCPConn, done <-chan struct{}) {
	pod, podSide := pair(t)
	hostSide, server := pair(t)
	for _, c := range []*net.TCPConn{podSide, hostSide} {
		_ = c.SetDeadline(time.Time{})
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		splice(podSide, hostSide)
	}()
	return pod, server, ended
}

func TestSpliceCopiesBothWaysAtOnce(t *testing.T) {
	pod, server, done := spliced(t)
	up, down := noise(5<<20+17, 1), noise(3<<20+1, 2)
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
	<-done
}

func noise(size int, seed byte) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func TestSpliceHalfClose(t *testing.T) {
	pod, server, done := spliced(t)
	if err := pod.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(server); err != nil || len(rest) != 0 {
		t.Fatalf("server got %q, %v", rest, err)
	}
	select {
	case <-done:
		t.Fatal("ended with one direction open")
	default:
	}
	if _, err := server.Write([]byte("answer")); err != nil {
		t.Fatal(err)
	}
	server.Close()
	if got, err := io.ReadAll(pod); err != nil || string(got) != "answer" {
		t.Errorf("pod got %q, %v", got, err)
	}
	<-done
}

func TestSplicePassesReset(t *testing.T) {
	pod, server, done := spliced(t)
	reset(server)
	if _, err := pod.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("got %v", err)
	}
	<-done
}

func TestFlowIsResetWhenDialFails(t *testing.T) {
	pod, podSide := pair(t)
	f := &tcpFlow{pod: podSide}
	f.ctx, f.cancel = context.WithCancel(t.Context())
	defer f.cancel()
	refused := errors.New("refused")
	err := f.run(func(context.Context, string, netip.AddrPort, netip.AddrPort) (net.Conn, error) { return nil, refused })
	if !errors.Is(err, refused) {
		t.Error(err)
	}
	if _, err := pod.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("got %v", err)
	}
}

func TestFlowAbortedWhileDialing(t *testing.T) {
	pod, podSide := pair(t)
	hostSide, server := pair(t)
	f := &tcpFlow{pod: podSide}
	f.ctx, f.cancel = context.WithCancel(t.Context())
	err := f.run(func(ctx context.Context, _ string, _, _ netip.AddrPort) (net.Conn, error) {
		f.Abort()
		if ctx.Err() == nil {
			t.Error("the dial goes on")
		}
		return hostSide, nil // answered at the same moment
	})
	if err != nil {
		t.Error(err)
	}
	for _, c := range []net.Conn{pod, server} {
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("got %v", err)
		}
	}
}

// An idle flow holds no buffer.
func TestReaderHoldsBufferOnlyForData(t *testing.T) {
	a, b := pair(t)
	r, err := newReader(b, unix.Read)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		if r.try(fd) {
			t.Error("something to read on an idle connection")
		}
	}); err != nil {
		t.Fatal(err)
	}
	if r.buf != nil {
		t.Error("holds a buffer while it waits")
	}
	if _, err := a.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if got, err := r.next(); err != nil || string(got) != "x" || r.buf == nil {
		t.Errorf("got %q, %v", got, err)
	}
	if r.done(); r.buf != nil {
		t.Error("keeps the buffer")
	}
}

func TestNextClass(t *testing.T) {
	last := len(sizes) - 1
	for _, test := range []struct{ class, got, want int }{
		{0, 1, 0}, {0, sizes[0], 1}, {1, sizes[1], 2}, {last, sizes[last], last},
		{1, sizes[0], 1}, {1, sizes[0]/2 - 1, 0}, {last, 1, last - 1}, {1, sizes[1] - 1, 1},
	} {
		if got := nextClass(test.class, test.got); got != test.want {
			t.Errorf("class %d after %d bytes: %d, want %d", test.class, test.got, got, test.want)
		}
	}
}

func newUDPFlow(t *testing.T, port uint16, used time.Time) *udpFlow {
	t.Helper()
	f := &udpFlow{udpKey: udpKey{
		src: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), port),
		dst: netip.MustParseAddrPort("192.0.2.1:53"),
	}}
	for _, c := range []**net.UDPConn{&f.pod, &f.host} {
		var err error
		if *c, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(f.Abort)
	f.used.Store(used.UnixNano())
	return f
}

func isClosed(f *udpFlow) bool {
	_, err := f.host.WriteTo(nil, f.host.LocalAddr())
	return errors.Is(err, net.ErrClosed)
}

func TestUDPTableMakesRoom(t *testing.T) {
	table := newUDPTable(egress.Limits{UDP: 3, UDPPod: 2, UDPIdle: time.Hour})
	defer table.close()
	now := time.Now()
	young, old, next := newUDPFlow(t, 1, now), newUDPFlow(t, 2, now.Add(-time.Minute)), newUDPFlow(t, 3, now)
	for _, f := range []*udpFlow{young, old, next} {
		if !table.add(f) {
			t.Error("no room")
		}
	}
	if !isClosed(old) || isClosed(young) || table.find(old.udpKey) != nil || table.find(young.udpKey) != young || table.find(next.udpKey) != next {
		t.Error("another than the oldest made room")
	}
	again := newUDPFlow(t, 2, now)
	table.remove(next)
	if !table.add(again) {
		t.Error("no room")
	}
	table.remove(old) // it ends only now, when its key belongs to another
	if table.find(again.udpKey) != again || len(table.Of(next.src.Addr())) != 2 {
		t.Error("an old flow's end removed its successor")
	}
}

func TestUDPTableSweeps(t *testing.T) {
	table := newUDPTable(egress.Limits{UDP: 3, UDPPod: 3, UDPIdle: time.Minute})
	defer table.close()
	idle, busy := newUDPFlow(t, 1, time.Now().Add(-2*time.Minute)), newUDPFlow(t, 2, time.Now())
	table.add(idle)
	table.add(busy)
	table.sweep()
	if !isClosed(idle) || isClosed(busy) {
		t.Error("swept the wrong one")
	}
	table.remove(idle)
	table.remove(busy)
	if table.sweep(); table.sweeps != nil {
		t.Error("sweeps on without flows")
	}
}
