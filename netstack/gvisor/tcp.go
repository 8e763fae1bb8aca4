package gvisor

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/peapod/peapod/netstack/egress"
)

// takeSegment gets the segments of no connection: a SYN becomes an attempt, all else is answered with a reset by the stack, unless it may belong
// to another engine.
func (e *Engine) takeSegment(f *tcp.Forwarder) func(stack.TransportEndpointID, *stack.PacketBuffer) bool {
	return func(id stack.TransportEndpointID, p *stack.PacketBuffer) bool {
		if e.spares("tcp", netip.AddrPortFrom(addressOf(id.RemoteAddress), id.RemotePort)) {
			return true
		}
		head := header.TCP(p.TransportHeader().Slice())
		if head.Flags()&(header.TCPFlagSyn|header.TCPFlagAck) != header.TCPFlagSyn {
			return !e.turn.alone.Load() || e.turn.retired.Load()
		}
		if e.ctx.Err() != nil || e.turn.retired.Load() || !e.dials.add(id, binary.BigEndian.Uint64(head)) {
			return true
		}
		e.running.Add(1) // takeConnection runs, or this is no sound packet
		if !f.HandlePacket(id, p) {
			e.dials.remove(id)
			e.running.Done()
		}
		return true
	}
}

// A tcpFlow is dialing as long as host is nil, then shaking hands with the Pod, then copying.
type tcpFlow struct {
	src, dst netip.AddrPort
	ctx      context.Context // ends with the flow
	cancel   context.CancelFunc
	events   waiter.Queue // of pod

	mu      sync.Mutex
	host    *net.TCPConn
	pod     tcpip.Endpoint
	aborted bool
}

// takeConnection runs on a goroutine of its own.
func (e *Engine) takeConnection(r *tcp.ForwarderRequest) {
	defer e.running.Done()
	id := r.ID()
	f := &tcpFlow{
		src: netip.AddrPortFrom(addressOf(id.RemoteAddress), id.RemotePort),
		dst: netip.AddrPortFrom(addressOf(id.LocalAddress), id.LocalPort),
	}
	f.ctx, f.cancel = context.WithCancel(e.ctx)
	connected := e.connect(f, r, id)
	e.dials.remove(id)
	end := func() {
		f.cancel()
		e.tcp.Remove(f.src.Addr(), f)
	}
	if !connected {
		end()
		return
	}
	// On another goroutine: to shake hands took a large stack, which this one would keep.
	e.running.Go(func() {
		defer end()
		f.splice()
	})
}

// connect dials, and answers the Pod's SYN with the outcome.
func (e *Engine) connect(f *tcpFlow, r *tcp.ForwarderRequest, id stack.TransportEndpointID) bool {
	if !e.tcp.Add(f.src.Addr(), f) {
		e.cfg.Log.Debug("too many flows", "network", "tcp", "source", f.src, "destination", f.dst)
		r.Complete(false)
		return false
	}
	conn, err := e.cfg.Dial(f.ctx, "tcp", f.src, f.dst)
	if err != nil {
		outcome := egress.OutcomeOf(err)
		e.cfg.Log.Debug("cannot reach the destination", "network", "tcp", "source", f.src, "destination", f.dst, "error", err)
		if outcome != egress.Refused {
			e.explain(tcp.ProtocolNumber, packetKey{f.src, f.dst}, e.dials.syn(id), outcome)
		}
		r.Complete(outcome == egress.Refused)
		return false
	}
	host := conn.(*net.TCPConn)
	_ = host.SetKeepAliveConfig(keepAlive)
	if !f.dialed(host) {
		r.Complete(false)
		return false
	}
	pod, refusal := r.CreateEndpoint(&f.events) // returns when the Pod has answered
	r.Complete(false)
	if refusal != nil {
		reset(host)
		return false
	}
	size := int64(bufferFor(e.tcp.Number(f.src.Addr()), e.link.queue))
	pod.SocketOptions().SetReceiveBufferSize(size, true)
	pod.SocketOptions().SetSendBufferSize(size, true)
	setKeepAlive(pod)
	return f.connected(pod)
}

// dialed tells whether the flow is still wanted.
func (f *tcpFlow) dialed(host *net.TCPConn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.host = host
	if f.aborted {
		reset(host)
	}
	return !f.aborted
}

// connected tells whether the flow is still wanted.
func (f *tcpFlow) connected(pod tcpip.Endpoint) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pod = pod
	if f.aborted {
		pod.Abort()
	}
	return !f.aborted
}

// Abort resets both sides.
func (f *tcpFlow) Abort() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.aborted = true
	f.cancel()
	if f.host != nil {
		reset(f.host)
	}
	if f.pod != nil {
		f.pod.Abort()
	}
}

// keepAlive finds peers that vanished without a word, on both sides. The Pod's own probes end at the stack, so somebody has to.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 2 * time.Minute, Interval: 30 * time.Second, Count: 6}

func setKeepAlive(pod tcpip.Endpoint) {
	idle, interval := tcpip.KeepaliveIdleOption(keepAlive.Idle), tcpip.KeepaliveIntervalOption(keepAlive.Interval)
	_ = pod.SetSockOpt(&idle) // neither can fail
	_ = pod.SetSockOpt(&interval)
	_ = pod.SetSockOptInt(tcpip.KeepaliveCountOption, keepAlive.Count)
	pod.SocketOptions().SetKeepAlive(true)
}

// reset closes a connection with RST instead of FIN: socket(7), SO_LINGER of zero seconds. Data not yet sent is lost.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}
