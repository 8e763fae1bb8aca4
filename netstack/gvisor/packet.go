package gvisor

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/peapod/peapod/netstack/egress"
)

// A packetKey names a flow of UDP or of ICMP echo requests, whose source port is the identifier.
type packetKey struct{ src, dst netip.AddrPort }

// A packetFlow carries packets both ways until it is aborted. Those of the Pod come by way of the stack, which knows nothing of flows; those
// of the host are read by a goroutine of the flow.
type packetFlow struct {
	packetKey
	kind  *packetKind
	host  *net.UDPConn
	route *stack.Route  // from the destination to the Pod
	used  atomic.Int64  // time of the last packet, ns since the epoch
	begin atomic.Uint64 // of the last packet from the Pod: its first eight bytes, for messages that quote them
	once  sync.Once
}

// A packetKind is what UDP and ICMP differ in.
type packetKind struct {
	network  string // for Dial
	protocol func(version4 bool) tcpip.TransportProtocolNumber
	// toPod makes the message for the Pod of what the host side has got.
	toPod func(f *packetFlow, b []byte) *stack.PacketBuffer
	table *packetTable
}

func (f *packetFlow) touch()               { f.used.Store(time.Now().UnixNano()) }
func (f *packetFlow) idleSince() time.Time { return time.Unix(0, f.used.Load()) }

// Abort ends the flow.
func (f *packetFlow) Abort() { f.once.Do(func() { _ = f.host.Close() }) }

// takePacket passes a packet of a Pod on, as the first of a flow or not. begin is where its transport header begins, and is quoted.
func (e *Engine) takePacket(kind *packetKind, key packetKey, begin uint64, payload []byte) {
	f := kind.table.find(key)
	if f == nil {
		if e.turn.retired.Load() || e.spares(kind.network, key.src) {
			return
		}
		var err error
		if f, err = e.openPacketFlow(kind, key); err != nil {
			e.cfg.Log.Debug("cannot reach the destination", "network", kind.network, "source", key.src, "destination", key.dst, "error", err)
			e.explain(kind.protocol(key.dst.Addr().Is4()), key, begin, egress.OutcomeOf(err))
			return
		}
	}
	f.touch()
	f.begin.Store(begin)
	if _, err := f.host.Write(payload); err != nil && egress.OutcomeOf(err) != egress.Silent {
		// The kernel tells of an earlier packet instead of sending this one: udp(7).
		e.explain(kind.protocol(key.dst.Addr().Is4()), key, begin, egress.OutcomeOf(err))
		_, _ = f.host.Write(payload)
	}
}

var errTooManyFlows = errors.New("too many flows")

func (e *Engine) openPacketFlow(kind *packetKind, key packetKey) (*packetFlow, error) {
	src, dst := key.src, key.dst
	if kind.network == "icmp" {
		src = netip.AddrPortFrom(src.Addr(), 0)
	}
	conn, err := e.cfg.Dial(e.ctx, kind.network, src, dst)
	if err != nil {
		return nil, err
	}
	f := &packetFlow{packetKey: key, kind: kind, host: conn.(*net.UDPConn)}
	if f.route, err = e.route(dst.Addr(), src.Addr()); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	f.touch()
	if !kind.table.add(f) {
		f.route.Release()
		return nil, errors.Join(errTooManyFlows, conn.Close())
	}
	e.running.Go(func() {
		defer kind.table.remove(f)
		defer f.route.Release()
		e.copyToPod(f)
	})
	return f, nil
}

// copyToPod passes on what the host side gets, and what the kernel says of packets that did not arrive, until the flow is aborted.
func (e *Engine) copyToPod(f *packetFlow) {
	defer f.Abort()
	in, err := newReader(f.host, datagramBuffers)
	for err == nil {
		b, err := in.next()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			e.explain(f.kind.protocol(f.dst.Addr().Is4()), f.packetKey, f.begin.Load(), egress.OutcomeOf(err))
		default:
			f.touch()
			if p := f.kind.toPod(f, b); p != nil {
				e.send(f.route, f.kind.protocol(f.dst.Addr().Is4()), p)
			}
			in.done()
		}
	}
}

// route leads from an address of the world to a Pod.
func (e *Engine) route(from, to netip.Addr) (*stack.Route, error) {
	protocol := header.IPv4ProtocolNumber
	if to.Is6() {
		protocol = header.IPv6ProtocolNumber
	}
	r, err := e.stack.FindRoute(nic, tcpip.AddrFromSlice(from.AsSlice()), tcpip.AddrFromSlice(to.AsSlice()), protocol, false)
	if err != nil {
		return nil, stackError(err)
	}
	return r, nil
}

// send gives a message the IP header, cuts it into fragments if it must, and releases it.
func (e *Engine) send(r *stack.Route, protocol tcpip.TransportProtocolNumber, p *stack.PacketBuffer) {
	p.TransportProtocolNumber = protocol
	_ = r.WritePacket(stack.NetworkHeaderParams{Protocol: protocol, TTL: 64}, p)
	p.DecRef()
}

// A packetTable finds flows by key and ends those that are idle. When a Pod has too many, its oldest makes room.
type packetTable struct {
	*egress.Registry
	idle time.Duration

	mu     sync.Mutex
	byKey  map[packetKey]*packetFlow
	sweeps *time.Timer // nil while there is no flow: nothing wakes up then
}

func newPacketTable(limit, limitPod int, idle time.Duration) *packetTable {
	return &packetTable{Registry: egress.NewRegistry(limit, limitPod), idle: idle, byKey: map[packetKey]*packetFlow{}}
}

func (t *packetTable) find(key packetKey) *packetFlow {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byKey[key]
}

// add makes room if it must, and tells whether there was any.
func (t *packetTable) add(f *packetFlow) bool {
	pod := f.src.Addr()
	if !t.Registry.Add(pod, f) {
		oldest := t.oldest(pod)
		if oldest == nil {
			return false
		}
		t.remove(oldest)
		oldest.Abort()
		if !t.Registry.Add(pod, f) {
			return false
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byKey[f.packetKey] = f
	if t.sweeps == nil {
		t.sweeps = time.AfterFunc(t.idle/4, t.sweep)
	}
	return true
}

func (t *packetTable) oldest(pod netip.Addr) *packetFlow {
	var oldest *packetFlow
	for _, f := range t.Of(pod) {
		if f := f.(*packetFlow); oldest == nil || f.idleSince().Before(oldest.idleSince()) {
			oldest = f
		}
	}
	return oldest
}

// remove may be called again for the same flow, also when another has its key by now.
func (t *packetTable) remove(f *packetFlow) {
	t.Registry.Remove(f.src.Addr(), f)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byKey[f.packetKey] == f {
		delete(t.byKey, f.packetKey)
	}
}

func (t *packetTable) sweep() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.byKey {
		if time.Since(f.idleSince()) > t.idle {
			f.Abort()
		}
	}
	if t.sweeps = nil; len(t.byKey) > 0 {
		t.sweeps = time.AfterFunc(t.idle/4, t.sweep)
	}
}

// Close ends all flows and takes no more.
func (t *packetTable) Close() {
	t.Registry.Close()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sweeps != nil {
		t.sweeps.Stop()
	}
}
