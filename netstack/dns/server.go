package dns

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	maxForwards    = 512 // queries at work upstream, in all
	maxForwardsPod = 128 // of one client address
	maxStreams     = 256 // TCP connections, in all
	streamIdle     = 10 * time.Second
)

// Config says what a server answers and whom it asks.
type Config struct {
	ResolvConf string         // path of the host's resolv.conf
	Domain     string         // cluster domain
	Ranges     []netip.Prefix // of the Pods' addresses, for reverse names
	Log        *slog.Logger   // nil: no log

	// Dial makes sockets towards upstream; that of net.Dialer when nil.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Port is that of the upstream servers; 53 when zero.
	Port uint16
}

// A Server answers on the sockets that it is given.
type Server struct {
	cfg      Config
	zone     atomic.Pointer[zone]
	upstream forwarder
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	forwards *limiter
	streams  *limiter
	running  sync.WaitGroup

	mu      sync.Mutex
	closers map[interface{ Close() error }]struct{}
	hosts   []Host
	records []Record
}

// New returns a server that knows no hosts yet and serves nowhere.
func New(cfg Config) *Server {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Dial == nil {
		cfg.Dial = new(net.Dialer).DialContext
	}
	s := &Server{
		cfg:      cfg,
		forwards: newLimiter(maxForwards, maxForwardsPod),
		streams:  newLimiter(maxStreams, maxStreams/4),
		closers:  map[interface{ Close() error }]struct{}{},
	}
	file := &resolvFile{path: cfg.ResolvConf}
	s.upstream = forwarder{servers: file.servers, dial: cfg.Dial, port: cmp.Or(cfg.Port, upstreamPort), cache: newCache()}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.SetHosts(nil)
	return s
}

// SetHosts replaces the Pods that the server knows.
func (s *Server) SetHosts(hosts []Host) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hosts = hosts
	s.zone.Store(newZone(s.cfg.Domain, s.cfg.Ranges, s.hosts, s.records))
}

// SetRecords replaces the other names that the server knows.
func (s *Server) SetRecords(records []Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = records
	s.zone.Store(newZone(s.cfg.Domain, s.cfg.Ranges, s.hosts, s.records))
}

// Close closes all sockets, ends all queries, and returns when nothing of the server runs any more.
func (s *Server) Close() error {
	s.cancel()
	s.mu.Lock()
	var errs []error
	for c := range s.closers {
		errs = append(errs, c.Close())
	}
	s.closers = nil
	s.mu.Unlock()
	s.running.Wait()
	return errors.Join(errs...)
}

// own makes Close close c. It tells whether the server is still open; if not, c is closed already.
func (s *Server) own(c interface{ Close() error }) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closers == nil {
		_ = c.Close()
		return false
	}
	s.closers[c] = struct{}{}
	return true
}

func (s *Server) closeOwn(c interface{ Close() error }) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.closers[c]; ok {
		delete(s.closers, c)
		_ = c.Close()
	}
}

// ServePackets starts to serve a UDP socket, which belongs to the server from now on.
func (s *Server) ServePackets(c net.PacketConn) {
	if s.own(c) {
		s.running.Go(func() { s.readPackets(c.(*net.UDPConn)) })
	}
}

// ServeStreams starts to serve a TCP listener, which belongs to the server from now on.
func (s *Server) ServeStreams(l net.Listener) {
	if s.own(l) {
		s.running.Go(func() { s.acceptStreams(l) })
	}
}

func (s *Server) readPackets(c *net.UDPConn) {
	b := make([]byte, maxLen)
	for {
		n, from, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			if s.trouble(err) {
				continue
			}
			return
		}
		s.answerPacket(c, from, b[:n])
	}
}

// answerPacket answers from the zone at once; what must be forwarded gets a goroutine and a copy. Beyond the limit a query
// is dropped, and the client asks again.
func (s *Server) answerPacket(c *net.UDPConn, from netip.AddrPort, raw []byte) {
	q, response, forward := s.answer(raw, false)
	if !forward {
		if response != nil {
			_, _ = c.WriteToUDPAddrPort(response, from)
		}
		return
	}
	if !s.forwards.enter(from.Addr()) {
		s.cfg.Log.Debug("too many queries", "client", from)
		return
	}
	q.raw = append([]byte(nil), q.raw...)
	s.running.Go(func() {
		defer s.forwards.leave(from.Addr())
		_, _ = c.WriteToUDPAddrPort(s.forward(q, false), from)
	})
}

func (s *Server) acceptStreams(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			if s.trouble(err) {
				continue
			}
			return
		}
		client := c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()
		if !s.streams.enter(client) {
			_ = c.Close()
			continue
		}
		if !s.own(c) {
			return
		}
		s.running.Go(func() {
			defer s.streams.leave(client)
			defer s.closeOwn(c)
			s.serveStream(c, client)
		})
	}
}

// serveStream answers one query after the other, until the client ends or stays silent.
func (s *Server) serveStream(c net.Conn, client netip.Addr) {
	for {
		_ = c.SetDeadline(time.Now().Add(streamIdle))
		raw, err := readStream(c)
		if err != nil {
			return
		}
		q, response, forward := s.answer(raw, true)
		if forward {
			if !s.forwards.enter(client) {
				return
			}
			response = s.forward(q, true)
			s.forwards.leave(client)
		}
		if response == nil || writeStream(c, response) != nil {
			return
		}
	}
}

// answer decides about a message: a response, no response at all (nil), or that it is to be forwarded.
func (s *Server) answer(raw []byte, stream bool) (q query, response []byte, forward bool) {
	q, err := parseQuery(raw)
	limit := q.udpSize
	if stream {
		limit = maxLen
	}
	switch {
	case errors.Is(err, errNotAQuery):
		return q, nil, false
	case q.header.OpCode != 0:
		return q, q.reply(answer{code: dnsmessage.RCodeNotImplemented}, limit), false
	case err != nil:
		return q, q.reply(answer{code: dnsmessage.RCodeFormatError}, limit), false
	}
	if a, ours := s.zone.Load().lookup(q.question); ours {
		return q, q.reply(a, limit), false
	}
	return q, nil, true
}

// forward asks upstream. Nothing to ask, or no answer in time, is SERVFAIL.
func (s *Server) forward(q query, stream bool) []byte {
	response, err := s.upstream.forward(s.ctx, q.raw, stream)
	if response == nil {
		s.cfg.Log.Debug("name servers do not answer", "name", q.question.Name.String(), "error", err)
		return q.reply(answer{code: dnsmessage.RCodeServerFailure}, maxLen)
	}
	return response
}

// trouble tells whether a socket may be served on after an error.
func (s *Server) trouble(err error) (goOn bool) {
	if s.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
		return false
	}
	s.cfg.Log.Warn("name server cannot read", "error", err)
	select {
	case <-s.ctx.Done():
		return false
	case <-time.After(100 * time.Millisecond):
		return true
	}
}
