package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/moby/spdystream"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Port-forward, as kubectl speaks it: one connection of SPDY/3.1, which is either what HTTP is upgraded to, or is carried by a WebSocket of
// the subprotocol ForwardTunnel. Each forwarded connection is a pair of streams of the same request id, opened by the client: the error
// stream, on which only the server writes, and only if something went wrong, and the data stream. Their headers:
//
//	streamtype   error or data
//	port         of the Pod, in decimal
//	requestID    chosen by the client, one for each pair
//
// (kubernetes: k8s.io/api/core/v1, PortForward…; pkg/kubelet: cri/streaming/portforward.)
const (
	ForwardProtocol = "portforward.k8s.io"
	ForwardUpgrade  = "SPDY/3.1"
	ForwardTunnel   = ForwardUpgrade + "+" + ForwardProtocol
	// ForwardHeader names the protocol in both directions of an upgrade without WebSocket.
	ForwardHeader = "X-Stream-Protocol-Version"
)

const (
	pairTime   = 30 * time.Second // how long the second stream of a pair may take
	maxPairs   = 256              // connections at a time through one session
	lingerTime = time.Second      // what is left for the client's last words when the Pod has closed
)

var forwardUpgrader = websocket.Upgrader{Subprotocols: []string{ForwardTunnel}, WriteBufferSize: FrameBuffer, WriteBufferPool: &sync.Pool{}}

// portForward serves one session.
func (s *server) portForward(w http.ResponseWriter, r *http.Request) error {
	pod, err := getPod(s.backend, r.PathValue("namespace"), r.PathValue("name"))
	if err != nil {
		return err
	}
	conn, err := s.upgradeForward(w, r)
	if conn == nil || err != nil {
		return err
	}
	defer conn.Close()
	spdy, err := spdystream.NewConnection(conn, true)
	if err != nil {
		s.log.Info("port-forward", "pod", pod.Name, "err", err)
		return nil
	}
	f := &forwarding{server: s, pod: pod, pairs: map[string]*pair{}}
	f.ctx, f.cancel = context.WithCancel(r.Context())
	stop := context.AfterFunc(f.ctx, func() { conn.Close() }) // of the node's end
	defer stop()
	spdy.Serve(f.accept) // until the client is gone
	f.cancel()
	f.running.Wait()
	return nil
}

// upgradeForward returns the connection that SPDY is spoken on; nil if the client has been answered already.
func (s *server) upgradeForward(w http.ResponseWriter, r *http.Request) (net.Conn, error) {
	if websocket.IsWebSocketUpgrade(r) {
		if !contains(websocket.Subprotocols(r), ForwardTunnel) {
			return nil, apierrors.NewBadRequest("the WebSocket's subprotocol must be " + ForwardTunnel)
		}
		conn, err := forwardUpgrader.Upgrade(w, r, nil) // on error it has answered itself
		if err != nil {
			s.log.Info("upgrade", "path", r.URL.Path, "err", err)
			return nil, nil
		}
		return Tunnel(conn), nil
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), ForwardUpgrade) {
		return nil, apierrors.NewBadRequest("Upgrade request required")
	}
	if !contains(r.Header.Values(ForwardHeader), ForwardProtocol) {
		return nil, apierrors.NewForbidden(corev1.Resource("pods"), r.PathValue("name"), fmt.Errorf("unable to negotiate protocol: the server knows %s", ForwardProtocol))
	}
	return hijack(w)
}

func contains(offers []string, wanted string) bool {
	for _, offer := range offers {
		for one := range strings.SplitSeq(offer, ",") {
			if strings.TrimSpace(one) == wanted {
				return true
			}
		}
	}
	return false
}

// hijack takes the connection over from net/http and answers by hand: its own answer would have no place for what follows.
func hijack(w http.ResponseWriter) (net.Conn, error) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	_, err = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n%s: %s\r\n\r\n", ForwardUpgrade, ForwardHeader, ForwardProtocol)
	if err != nil {
		conn.Close()
		return nil, nil // the client is gone
	}
	return &readAhead{conn, buffered.Reader}, nil
}

// readAhead is a connection of which something has been read already.
type readAhead struct {
	net.Conn
	r *bufio.Reader
}

func (c *readAhead) Read(p []byte) (int, error) { return c.r.Read(p) }

// forwarding is one session.
type forwarding struct {
	*server
	pod     *corev1.Pod
	ctx     context.Context // ends with the session
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu    sync.Mutex
	pairs map[string]*pair // that still lack a stream, or are being served
}

type pair struct {
	port   uint16
	errors *spdystream.Stream
	data   *spdystream.Stream
	whole  chan struct{} // closed when both are there
}

// accept takes a stream that the client opens. It runs on the connection's own goroutines.
func (f *forwarding) accept(stream *spdystream.Stream) {
	h := stream.Headers()
	port, err := strconv.ParseUint(h.Get("port"), 10, 16)
	if err != nil || port == 0 || !f.put(h.Get("requestID"), h.Get("streamtype"), uint16(port), stream) {
		_ = stream.Refuse()
		return
	}
	_ = stream.SendReply(http.Header{}, false)
}

// put adds a stream to its pair, and begins with the pair when it is the first of it. False means that it makes no sense, or too much.
func (f *forwarding) put(id, kind string, port uint16, stream *spdystream.Stream) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.pairs[id]
	if p == nil {
		if len(f.pairs) >= maxPairs || f.ctx.Err() != nil {
			return false
		}
		p = &pair{port: port, whole: make(chan struct{})}
	}
	switch {
	case p.port != port:
		return false
	case kind == "error" && p.errors == nil:
		p.errors = stream
	case kind == "data" && p.data == nil:
		p.data = stream
	default:
		return false
	}
	if f.pairs[id] == nil {
		f.pairs[id] = p
		f.running.Go(func() {
			f.serve(p)
			f.mu.Lock()
			delete(f.pairs, id)
			f.mu.Unlock()
		})
	}
	if p.errors != nil && p.data != nil {
		close(p.whole)
	}
	return true
}

// serve waits for the other stream of a pair, and connects. Streams of a session that has ended are closed with it.
func (f *forwarding) serve(p *pair) {
	wait := time.NewTimer(pairTime)
	defer wait.Stop()
	select {
	case <-p.whole:
	case <-wait.C:
	case <-f.ctx.Done():
		return
	}
	f.mu.Lock()
	messages, data := p.errors, p.data
	f.mu.Unlock()
	if data == nil || messages == nil {
		for _, stream := range []*spdystream.Stream{data, messages} {
			if stream != nil {
				_ = stream.Reset()
			}
		}
		return
	}
	defer messages.Close()
	defer data.Close()
	if err := f.connect(p.port, data); err != nil && f.ctx.Err() == nil {
		fmt.Fprintf(messages, "error forwarding port %d to pod %s, uid %s: %v", p.port, f.pod.Name, f.pod.UID, err)
	}
}

// connect copies between a stream and a port of the Pod. When the Pod has closed its side little can follow from the client.
func (f *forwarding) connect(port uint16, stream *spdystream.Stream) error {
	conn, err := f.backend.DialPort(f.ctx, f.pod.Namespace, f.pod.Name, port)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(f.ctx, func() { conn.Close() })
	defer stop()
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(conn, stream)
		if half, ok := conn.(interface{ CloseWrite() error }); ok && err == nil {
			err = half.CloseWrite()
		}
		sent <- err
	}()
	_, err = io.Copy(stream, conn)
	_ = stream.Close()
	select {
	case _ = <-sent:
	case <-time.After(lingerTime):
		_ = stream.Reset() // ends the copying in the other direction
		conn.Close()
		_ = <-sent
	}
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
