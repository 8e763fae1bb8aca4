package relay

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"
)

// keepAlive finds peers that vanished without a word, on both sides. The Pod's own probes end at the hub, so somebody has to.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 2 * time.Minute, Interval: 30 * time.Second, Count: 6}

func (r *Relay) acceptStreams(l *net.TCPListener) {
	for {
		pod, err := l.AcceptTCP()
		if err != nil {
			if r.listenerTrouble(err) {
				continue
			}
			return
		}
		r.takeStream(pod)
	}
}

func (r *Relay) takeStream(pod *net.TCPConn) {
	f := &tcpFlow{pod: pod, src: endpoint(pod.RemoteAddr()), dst: endpoint(pod.LocalAddr())}
	f.ctx, f.cancel = context.WithCancel(r.ctx)
	if !r.tcp.Add(f.src.Addr(), f) {
		r.cfg.Log.Debug("relay has too many flows", "network", "tcp", "source", f.src, "destination", f.dst)
		f.Abort()
		return
	}
	r.running.Go(func() {
		defer r.tcp.Remove(f.src.Addr(), f)
		defer f.cancel()
		if err := f.run(r.cfg.Dial); err != nil {
			r.cfg.Log.Debug("relay cannot reach the destination", "network", "tcp", "source", f.src, "destination", f.dst, "error", err)
		}
	})
}

// endpoint reads an address of package net; an IPv4 address on an IPv6 socket counts as IPv4.
func endpoint(a net.Addr) netip.AddrPort {
	var p netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		p = a.AddrPort()
	case *net.UDPAddr:
		p = a.AddrPort()
	}
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

// A tcpFlow is dialing as long as host is nil, then copying.
type tcpFlow struct {
	src, dst netip.AddrPort
	pod      *net.TCPConn
	ctx      context.Context // of the dial
	cancel   context.CancelFunc

	mu      sync.Mutex
	host    *net.TCPConn
	aborted bool
}

// run carries the flow to its end. The error is that of the dial.
func (f *tcpFlow) run(dial func(context.Context, string, netip.AddrPort, netip.AddrPort) (net.Conn, error)) error {
	conn, err := dial(f.ctx, "tcp", f.src, f.dst)
	if err != nil {
		reset(f.pod)
		return err
	}
	host := conn.(*net.TCPConn)
	_ = host.SetKeepAliveConfig(keepAlive) // without it only a vanished peer is found later
	if !f.connected(host) {
		reset(host)
		return nil
	}
	splice(f.pod, host)
	return nil
}

// connected tells whether the flow is still wanted.
func (f *tcpFlow) connected(host *net.TCPConn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.host = host
	return !f.aborted
}

func (f *tcpFlow) Abort() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.aborted = true
	f.cancel()
	reset(f.pod)
	if f.host != nil {
		reset(f.host)
	}
}

// splice copies both ways until both directions have ended, and closes both connections.
func splice(a, b *net.TCPConn) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		forward(a, b)
	}()
	forward(b, a)
	<-done
	_ = a.Close()
	_ = b.Close()
}

// forward copies one direction and passes on how it ended. An error resets both connections, and so ends the other direction.
func forward(dst, src *net.TCPConn) {
	if err := copyStream(dst, src); err != nil {
		reset(src)
		reset(dst)
	}
}

// reset closes a connection with RST instead of FIN: socket(7), SO_LINGER of zero seconds. Data not yet sent is lost.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}
