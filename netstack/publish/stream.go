package publish

import (
	"context"
	"net"
	"net/netip"

	"github.com/peapod/peapod/netstack/relay"
)

func listenStreams(network string, at netip.AddrPort) (*net.TCPListener, error) {
	var config net.ListenConfig
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
			relay.Reset(c)
			continue
		}
		m.running.Go(func() {
			defer m.leave("tcp")
			m.carry(p, c)
		})
	}
}

// stream is a connection; aborting it ends both sides, as Carry passes a reset on.
type stream struct{ *net.TCPConn }

func (s stream) abort() { relay.Reset(s.TCPConn) }

func (m *Manager) carry(p *published, client *net.TCPConn) {
	if !p.add(stream{client}) {
		return
	}
	defer p.remove(stream{client})
	pod, err := m.cfg.Dial(p.ctx, "tcp", endpoint(client.RemoteAddr()), p.to)
	if err != nil {
		m.cfg.Log.Debug("published port cannot reach the pod", "network", "tcp", "client", client.RemoteAddr(), "pod", p.to, "error", err)
		relay.Reset(client)
		return
	}
	relay.Carry(client, pod.(*net.TCPConn))
}
