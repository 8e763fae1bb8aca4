package client_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/moby/spdystream"

	"github.com/peapod/peapod/rootless/api"
	"github.com/peapod/peapod/rootless/api/apitest"
)

// carried sends all of it through a forwarded connection, ends its direction, and returns the answer.
func carried(t *testing.T, carry func(net.Conn) error, send []byte) ([]byte, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	mine, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	theirs, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- carry(theirs) }()
	go func() {
		_, _ = mine.Write(send)
		_ = mine.(*net.TCPConn).CloseWrite()
	}()
	_ = mine.SetReadDeadline(time.Now().Add(20 * time.Second))
	got, _ := io.ReadAll(mine)
	return got, <-ended
}

func TestPortForward(t *testing.T) {
	b, c := node(t)
	b.Put(pod("demo", "1"))
	session, err := c.PortForward(t.Context(), "default", "demo")
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			send := bytes.Repeat([]byte{byte(i), 'x', '\n'}, 100_000)
			got, err := carried(t, func(conn net.Conn) error { return session.Carry(conn, 7) }, send)
			if err != nil || !bytes.Equal(got, send) {
				t.Errorf("%d bytes came back as %d: %v", len(send), len(got), err)
			}
		})
	}
	all.Wait()
	_, err = carried(t, func(conn net.Conn) error { return session.Carry(conn, 8) }, nil)
	if err == nil || !strings.Contains(err.Error(), "error forwarding port 8 to pod demo, uid ") || !strings.HasSuffix(err.Error(), "connection refused") {
		t.Errorf("a port without listener: %v", err)
	}
	got, err := carried(t, func(conn net.Conn) error { return session.Carry(conn, 7) }, []byte("again"))
	if err != nil || string(got) != "again" {
		t.Errorf("after it: %q, %v", got, err)
	}
}

func TestPortForwardOfNothing(t *testing.T) {
	_, c := node(t)
	if _, err := c.PortForward(t.Context(), "default", "none"); err == nil || !strings.Contains(err.Error(), `pods "none" not found`) {
		t.Errorf("got %v", err)
	}
}

// The way of current kubectl: the same streams through a WebSocket.
func TestPortForwardTunnel(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "node.sock")
	b := apitest.New()
	b.Put(pod("demo", "1"))
	serve(t, socket, b)
	dialer := websocket.Dialer{
		NetDial:      func(_, _ string) (net.Conn, error) { return net.Dial("unix", socket) },
		Subprotocols: []string{api.ForwardTunnel},
	}
	ws, _, err := dialer.Dial("ws://peapod/api/v1/namespaces/default/pods/demo/portforward", nil)
	if err != nil {
		t.Fatal(err)
	}
	if ws.Subprotocol() != "SPDY/3.1+portforward.k8s.io" {
		t.Errorf("subprotocol %q", ws.Subprotocol())
	}
	spdy, err := spdystream.NewConnection(api.Tunnel(ws), false)
	if err != nil {
		t.Fatal(err)
	}
	go spdy.Serve(spdystream.NoOpStreamHandler)
	defer spdy.Close()
	open := func(kind string) *spdystream.Stream {
		s, err := spdy.CreateStream(http.Header{"streamtype": {kind}, "port": {"7"}, "requestID": {"0"}}, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	messages, data := open("error"), open("data")
	_ = messages.Close()
	send := bytes.Repeat([]byte("tunnel"), 50_000)
	go func() {
		_, _ = data.Write(send)
		_ = data.Close()
	}()
	if got, err := io.ReadAll(data); err != nil || !bytes.Equal(got, send) {
		t.Errorf("%d bytes came back as %d: %v", len(send), len(got), err)
	}
	if text, err := io.ReadAll(messages); err != nil || len(text) > 0 {
		t.Errorf("error stream: %q, %v", text, err)
	}

	// Streams that make no sense are refused, and the session goes on.
	for _, h := range []http.Header{
		{}, {"streamtype": {"data"}, "port": {"0"}, "requestID": {"1"}}, {"streamtype": {"other"}, "port": {"7"}, "requestID": {"2"}},
	} {
		s, err := spdy.CreateStream(h, nil, false)
		if err == nil {
			err = s.WaitTimeout(10 * time.Second)
		}
		if !errors.Is(err, spdystream.ErrReset) {
			t.Errorf("a stream with %v: %v", h, err)
		}
	}
	wrong := websocket.Dialer{NetDial: dialer.NetDial}
	if _, response, err := wrong.Dial("ws://peapod/api/v1/namespaces/default/pods/demo/portforward", nil); err == nil || response.StatusCode != http.StatusBadRequest {
		t.Errorf("without the subprotocol: %v", err)
	}
}
