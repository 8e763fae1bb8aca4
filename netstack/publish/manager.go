package publish

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rootless-containers/rootlesskit/v3/pkg/port"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/relay"
)

// Config is what a Manager needs from its surroundings.
type Config struct {
	// Dial connects to a Pod by UDP. The result must be a *net.UDPConn. src is the client.
	Dial func(ctx context.Context, network string, src, dst netip.AddrPort) (net.Conn, error)
	// Connect begins to connect to a Pod by TCP, with a socket that does not block and becomes writable when that has ended.
	Connect func(src, dst netip.AddrPort) (fd int, err error)
	// Owner names the Pod that has an address, for errors; it may be nil.
	Owner func(netip.Addr) string
	// TCP and UDP bound the flows of all ports; each holds two descriptors, or one.
	TCP, UDP int
	// UDPIdle is after which a silent UDP flow ends.
	UDPIdle time.Duration
	// Log gets what goes wrong with one flow at debug level, and what goes wrong with a port.
	Log *slog.Logger
}

// withDefaults has two minutes for UDP, the least that RFC 4787 (REQ-5) allows.
func (c Config) withDefaults() Config {
	c.TCP, c.UDP, c.UDPIdle = cmp.Or(c.TCP, 256), cmp.Or(c.UDP, 256), cmp.Or(c.UDPIdle, 2*time.Minute)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Owner == nil {
		c.Owner = func(netip.Addr) string { return "" }
	}
	return c
}

// A Manager listens on the host for Pods. Its methods may be called at the same time.
type Manager struct {
	cfg     Config
	running sync.WaitGroup
	carrier *relay.Carrier // from the first TCP port on

	mu     sync.Mutex
	last   int
	ports  map[int]*published
	flows  map[string]int // by kind of network
	closed bool
}

var _ port.Manager = (*Manager)(nil)

// New returns a Manager without ports.
func New(cfg Config) *Manager {
	return &Manager{cfg: cfg.withDefaults(), ports: map[int]*published{}, flows: map[string]int{}}
}

// published is a port of the host that is listened on.
type published struct {
	id     int
	spec   port.Spec
	to     netip.AddrPort // of the Pod
	ctx    context.Context
	cancel context.CancelFunc

	mu    sync.Mutex
	flows map[flow]struct{} // nil: removed
}

// A flow can be ended from outside.
type flow interface{ abort() }

// AddPort listens. Proto is tcp or udp, without a digit or with that of ChildIP's family; an empty ParentIP is every address of the
// host of that family. The context is not needed.
func (m *Manager) AddPort(_ context.Context, spec port.Spec) (*port.Status, error) {
	network, at, to, err := parse(spec)
	if err != nil {
		return nil, fmt.Errorf("publish port: %w", err)
	}
	p := &published{spec: spec, to: to, flows: map[flow]struct{}{}}
	if strings.HasPrefix(network, "tcp") {
		if err := m.openCarrier(); err != nil {
			return nil, fmt.Errorf("publish port: %w", err)
		}
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	serve, err := m.listen(p, network, at)
	if err != nil {
		p.cancel()
		return nil, m.explain(network, at, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		p.end()
		return nil, net.ErrClosed
	}
	m.last++
	p.id = m.last
	m.ports[p.id] = p
	m.running.Go(serve)
	return &port.Status{ID: p.id, Spec: spec}, nil
}

// openCarrier starts what copies, unless it runs.
func (m *Manager) openCarrier() (err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return net.ErrClosed
	}
	if m.carrier == nil {
		m.carrier, err = relay.OpenCarrier()
	}
	return err
}

// parse returns the network with its digit.
func parse(spec port.Spec) (network string, at, to netip.AddrPort, err error) {
	child, err := netip.ParseAddr(spec.ChildIP)
	if err != nil {
		return "", at, to, err
	}
	child = child.Unmap()
	parent, digit := netip.IPv6Unspecified(), "6"
	if child.Is4() {
		parent, digit = netip.IPv4Unspecified(), "4"
	}
	base := strings.TrimRight(spec.Proto, "46")
	if base != "tcp" && base != "udp" || spec.Proto != base && spec.Proto != base+digit {
		return "", at, to, fmt.Errorf("protocol %q: want tcp%s or udp%s", spec.Proto, digit, digit)
	}
	if spec.ParentIP != "" {
		if parent, err = netip.ParseAddr(spec.ParentIP); err != nil {
			return "", at, to, err
		}
		if parent = parent.Unmap(); parent.Is4() != child.Is4() {
			return "", at, to, fmt.Errorf("%s and %s: want addresses of one family", parent, child)
		}
	}
	for _, number := range []int{spec.ParentPort, spec.ChildPort} {
		if number < 1 || number > 65535 {
			return "", at, to, fmt.Errorf("port %d: want 1 to 65535", number)
		}
	}
	return base + digit, netip.AddrPortFrom(parent, uint16(spec.ParentPort)), netip.AddrPortFrom(child, uint16(spec.ChildPort)), nil
}

// listen opens the port and returns what serves it until the port is removed.
func (m *Manager) listen(p *published, network string, at netip.AddrPort) (serve func(), err error) {
	if strings.HasPrefix(network, "tcp") {
		l, err := listenStreams(network, at)
		if err != nil {
			return nil, err
		}
		p.add(closer{l})
		return func() { m.acceptStreams(p, l) }, nil
	}
	c, err := listenPackets(network, at)
	if err != nil {
		return nil, err
	}
	p.add(closer{c})
	return func() { m.receivePackets(p, c) }, nil
}

// closer makes the listener itself end with the port.
type closer struct{ c interface{ Close() error } }

func (c closer) abort() { _ = c.c.Close() }

// ListPorts lists the ports in the order in which they were added.
func (m *Manager) ListPorts(context.Context) ([]port.Status, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []port.Status
	for _, p := range m.ports {
		all = append(all, port.Status{ID: p.id, Spec: p.spec})
	}
	slices.SortFunc(all, func(a, b port.Status) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

// RemovePort ends a port and its flows.
func (m *Manager) RemovePort(_ context.Context, id int) error {
	m.mu.Lock()
	p := m.ports[id]
	delete(m.ports, id)
	m.mu.Unlock()
	if p == nil {
		return fmt.Errorf("remove port: there is none with the id %d", id)
	}
	p.end()
	return nil
}

// Close ends all ports and returns when nothing of them runs any more.
func (m *Manager) Close() error {
	m.mu.Lock()
	m.closed = true
	ports := m.ports
	m.ports = nil
	m.mu.Unlock()
	for _, p := range ports {
		p.end()
	}
	m.running.Wait()
	if m.carrier != nil {
		return m.carrier.Close()
	}
	return nil
}

// enter counts a flow of the Manager, if there is room.
func (m *Manager) enter(network string, limit int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.flows[network] >= limit {
		return false
	}
	m.flows[network]++
	return true
}

func (m *Manager) leave(network string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.flows[network]--
}

// add notes a flow; false means that the port is removed, and the flow has been ended.
func (p *published) add(f flow) bool {
	p.mu.Lock()
	present := p.flows != nil
	if present {
		p.flows[f] = struct{}{}
	}
	p.mu.Unlock()
	if !present {
		f.abort()
	}
	return present
}

func (p *published) remove(f flow) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.flows, f)
}

// end aborts all flows outside of the lock: a flow that ends calls remove.
func (p *published) end() {
	p.cancel()
	p.mu.Lock()
	flows := p.flows
	p.flows = nil
	p.mu.Unlock()
	for f := range flows {
		f.abort()
	}
}

// trouble tells whether a listener may go on after an error, and waits a little when descriptors or memory are short.
func (m *Manager) trouble(p *published, err error) (goOn bool) {
	if p.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
		return false
	}
	if errors.Is(err, unix.ECONNABORTED) {
		return true
	}
	m.cfg.Log.Warn("published port cannot take a flow", "port", p.spec.ParentPort, "error", err)
	select {
	case <-p.ctx.Done():
		return false
	case <-time.After(100 * time.Millisecond):
		return true
	}
}

// endpoint reads an address of package net.
func endpoint(a net.Addr) netip.AddrPort {
	p := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}
