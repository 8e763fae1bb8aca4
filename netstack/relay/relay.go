package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/egress"
)

// Ports are the ports in the hub that a tproxy rule has to lead to, by protocol and address family.
type Ports struct {
	TCP4, TCP6, UDP4, UDP6 uint16
}

// A Relay serves one hub.
type Relay struct {
	cfg     egress.Config
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	streams []*net.TCPListener
	packets []*net.UDPConn
	ports   Ports
	tcp     *egress.Registry
	udp     *udpTable
	running sync.WaitGroup
}

// Open listens in the hub, on ports that are free there, and serves until Close.
func Open(cfg egress.Config) (*Relay, error) {
	cfg = cfg.WithDefaults()
	r := &Relay{cfg: cfg}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.tcp = egress.NewRegistry(cfg.Limits.TCP, cfg.Limits.TCPPod)
	r.udp = newUDPTable(cfg.Limits)
	if err := cfg.InHub(r.listen); err != nil {
		_ = r.Close()
		return nil, fmt.Errorf("open relay: %w", err)
	}
	for _, l := range r.streams {
		r.running.Go(func() { r.acceptStreams(l) })
	}
	for _, c := range r.packets {
		r.running.Go(func() { r.receivePackets(c) })
	}
	return r, nil
}

// listen opens the four sockets. It runs on a thread in the hub.
func (r *Relay) listen() error {
	for network, port := range map[string]*uint16{"tcp4": &r.ports.TCP4, "tcp6": &r.ports.TCP6} {
		l, err := listenStreams(network)
		if err != nil {
			return err
		}
		r.streams = append(r.streams, l)
		*port = l.Addr().(*net.TCPAddr).AddrPort().Port()
	}
	for network, port := range map[string]*uint16{"udp4": &r.ports.UDP4, "udp6": &r.ports.UDP6} {
		c, err := listenPackets(network)
		if err != nil {
			return err
		}
		r.packets = append(r.packets, c)
		*port = c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	}
	return nil
}

// Ports returns where it listens.
func (r *Relay) Ports() Ports { return r.ports }

// Drop resets all flows whose source has this address.
func (r *Relay) Drop(pod netip.Addr) {
	r.tcp.Abort(pod)
	r.udp.Abort(pod)
}

// Close stops listening, resets all flows, and returns when nothing of the relay runs any more.
func (r *Relay) Close() error {
	r.cancel()
	var errs []error
	for _, l := range r.streams {
		errs = append(errs, l.Close())
	}
	for _, c := range r.packets {
		errs = append(errs, c.Close())
	}
	r.tcp.Close()
	r.udp.close()
	r.running.Wait()
	return errors.Join(errs...)
}

// listenerTrouble tells whether a listener may go on after an error, and waits a little when descriptors or
// memory are short: the error would come back at once.
func (r *Relay) listenerTrouble(err error) (goOn bool) {
	if r.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
		return false
	}
	if errors.Is(err, unix.ECONNABORTED) {
		return true
	}
	r.cfg.Log.Warn("relay cannot take a flow", "error", err)
	select {
	case <-r.ctx.Done():
		return false
	case <-time.After(100 * time.Millisecond):
		return true
	}
}
