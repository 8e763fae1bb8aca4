package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Config is what a relay needs from its surroundings.
type Config struct {
	// InHub runs a function on a thread that is in the hub's network namespace, and returns its error.
	InHub func(func() error) error
	// Dial makes the host side of a flow. The network is tcp or udp; the result must be a *net.TCPConn or *net.UDPConn. An error
	// resets the flow.
	Dial func(ctx context.Context, network string, src, dst netip.AddrPort) (net.Conn, error)
	// Limits bound what Pods can make the relay hold.
	Limits Limits
	// Log gets each refused flow at debug level, and what goes wrong in the relay itself.
	Log *slog.Logger
}

// Limits are numbers of flows; every flow holds two descriptors. Zero fields get defaults.
type Limits struct {
	TCP, UDP       int           // flows in all
	TCPPod, UDPPod int           // flows of one source address
	UDPIdle        time.Duration // after which a silent UDP flow ends
}

// LimitsFor divides the process's limit of open files: half for TCP flows, a quarter for UDP flows, the rest for others.
func LimitsFor(openFiles uint64) Limits {
	files := int(min(openFiles, 1<<17))
	tcp, udp := files/4, files/8
	return Limits{TCP: tcp, UDP: udp, TCPPod: tcp / 2, UDPPod: udp / 4}
}

// withDefaults uses what is sensible for 4096 open files. Two minutes is the least that RFC 4787 (REQ-5) allows for UDP.
func (l Limits) withDefaults() Limits {
	d := LimitsFor(4096)
	return Limits{
		TCP: cmp.Or(l.TCP, d.TCP), UDP: cmp.Or(l.UDP, d.UDP),
		TCPPod: cmp.Or(l.TCPPod, d.TCPPod), UDPPod: cmp.Or(l.UDPPod, d.UDPPod),
		UDPIdle: cmp.Or(l.UDPIdle, 2*time.Minute),
	}
}

// Ports are the ports in the hub that a tproxy rule has to lead to, by protocol and address family.
type Ports struct {
	TCP4, TCP6, UDP4, UDP6 uint16
}

// A Relay serves one hub.
type Relay struct {
	cfg     Config
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	streams []*net.TCPListener
	packets []*net.UDPConn
	ports   Ports
	tcp     *registry
	udp     *udpTable
	running sync.WaitGroup
}

// Open listens in the hub, on ports that are free there, and serves until Close.
func Open(cfg Config) (*Relay, error) {
	cfg.Limits = cfg.Limits.withDefaults()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	r := &Relay{cfg: cfg}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.tcp = newRegistry(cfg.Limits.TCP, cfg.Limits.TCPPod)
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
	r.tcp.abort(pod)
	r.udp.abort(pod)
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
	r.tcp.close()
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
