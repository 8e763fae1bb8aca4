package relay

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func testCarrier(t *testing.T) *Carrier {
	t.Helper()
	c, err := OpenCarrier()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// carried is a client's end and a Pod's end of one flow, and how often it has ended.
func carried(t *testing.T, c *Carrier) (client, pod *net.TCPConn, f *Carried, ended *atomic.Int32) {
	t.Helper()
	client, clientSide := dialed(t)
	podSide, pod := dialed(t)
	ended = new(atomic.Int32)
	f, err := c.Carry(clientSide, taken(t, podSide), func() { ended.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Abort)
	return client, pod, f, ended
}

func endedOnce(t *testing.T, ended *atomic.Int32) {
	t.Helper()
	for deadline := time.Now().Add(patience); ended.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the flow is still there")
		}
	}
	if n := ended.Load(); n != 1 {
		t.Fatalf("ended %d times", n)
	}
}

func TestCarrierCopies(t *testing.T) {
	client, pod, _, ended := carried(t, testCarrier(t))
	data := noise(3<<20+5, 1)
	go func() {
		_, _ = client.Write(data)
		_ = client.CloseWrite()
	}()
	if got, err := io.ReadAll(pod); err != nil || !bytes.Equal(got, data) {
		t.Fatalf("pod got %d bytes, %v", len(got), err)
	}
	if ended.Load() != 0 {
		t.Fatal("ended with one direction open")
	}
	_, _ = pod.Write([]byte("answer"))
	pod.Close()
	if got, err := io.ReadAll(client); err != nil || string(got) != "answer" {
		t.Errorf("client got %q, %v", got, err)
	}
	endedOnce(t, ended)
}

// TestCarrierTakesWhatHasEnded: all that the client had to say was there before.
func TestCarrierTakesWhatHasEnded(t *testing.T) {
	c := testCarrier(t)
	client, clientSide := dialed(t)
	_, _ = client.Write([]byte("all"))
	client.Close()
	podSide, pod := dialed(t)
	var ended atomic.Int32
	if _, err := c.Carry(clientSide, taken(t, podSide), func() { ended.Add(1) }); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(pod); err != nil || string(got) != "all" {
		t.Errorf("pod got %q, %v", got, err)
	}
	pod.Close()
	endedOnce(t, &ended)
}

func TestCarrierPassesReset(t *testing.T) {
	client, pod, _, ended := carried(t, testCarrier(t))
	reset(client)
	if _, err := pod.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("got %v", err)
	}
	endedOnce(t, ended)
}

func TestCarriedAbort(t *testing.T) {
	c := testCarrier(t)
	for range 100 { // also while the workers begin
		client, pod, f, ended := carried(t, c)
		f.Abort()
		f.Abort()
		for _, end := range []net.Conn{client, pod} {
			if _, err := end.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
				t.Errorf("got %v", err)
			}
		}
		endedOnce(t, ended)
	}
}

// TestCarrierConnects: the Pod's side is connecting when it is given away, and one that fails resets the client.
func TestCarrierConnects(t *testing.T) {
	c := testCarrier(t)
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	for _, listening := range []bool{true, false} {
		client, clientSide := dialed(t)
		if !listening {
			l.Close()
		}
		fd, err := newSocket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Connect(fd, sockaddr(l.Addr().(*net.TCPAddr).AddrPort())); err != nil && err != unix.EINPROGRESS {
			t.Fatal(err)
		}
		var ended atomic.Int32
		f, err := c.Carry(clientSide, fd, func() { ended.Add(1) })
		if err != nil {
			t.Fatal(err)
		}
		if listening {
			pod, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			_, _ = pod.Write([]byte("hello"))
			b := make([]byte, 5)
			if _, err := io.ReadFull(client, b); err != nil || string(b) != "hello" {
				t.Errorf("got %q, %v", b, err)
			}
			pod.Close()
			f.Abort()
		} else if _, err := client.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("got %v", err)
		}
		endedOnce(t, &ended)
	}
}
