package publish

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/relay"
)

func listenStreams(network string, at netip.AddrPort) (*net.TCPListener, error) {
	config := net.ListenConfig{KeepAlive: -1, Control: func(_, _ string, c syscall.RawConn) (err error) { // what is accepted has the listener's options
		controlled := c.Control(func(fd uintptr) { err = relay.SetStreamOptions(int(fd)) })
		return errors.Join(controlled, err)
	}}
	config.SetMultipathTCP(false) // as the Pod's side is not
	l, err := config.Listen(context.Background(), network, at.String())
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

func (m *Manager) acceptStreams(p *published, l *net.TCPListener) {
	for {
		c, err := l.AcceptTCP()
		if err != nil {
			if m.trouble(p, err) {
				continue
			}
			return
		}
		if !m.enter("tcp", m.cfg.TCP) {
			m.cfg.Log.Debug("published ports have too many connections", "client", c.RemoteAddr())
			reset(c)
			continue
		}
		m.open(p, &stream{client: c})
	}
}

// A stream is a connection of a client. It is carried from when the attempt to connect to the Pod has begun.
type stream struct {
	client *net.TCPConn

	mu      sync.Mutex
	carried *relay.Carried
	aborted bool
}

func (s *stream) abort() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.aborted = true; s.carried != nil {
		s.carried.Abort()
		return
	}
	reset(s.client)
}

// open connects to the Pod, and does not wait for that. What it starts is ended by abort.
func (m *Manager) open(p *published, s *stream) {
	ended := func() {
		p.remove(s)
		m.leave("tcp")
	}
	if !p.add(s) {
		ended()
		return
	}
	if err := m.carry(p, s, ended); err != nil {
		m.cfg.Log.Debug("published port cannot reach the pod", "network", "tcp", "client", s.client.RemoteAddr(), "pod", p.to, "error", err)
		reset(s.client)
		ended()
	}
}

func (m *Manager) carry(p *published, s *stream, ended func()) error {
	pod, err := m.cfg.Connect(endpoint(s.client.RemoteAddr()), p.to)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.aborted {
		_ = unix.Close(pod)
		return net.ErrClosed
	}
	s.carried, err = m.carrier.Carry(s.client, pod, ended)
	return err
}

// reset closes a connection with RST instead of FIN: socket(7), SO_LINGER of zero seconds.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}
