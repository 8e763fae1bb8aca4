package relay

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/egress"
)

// A udpKey names a flow.
type udpKey struct{ src, dst netip.AddrPort }

// A udpFlow copies datagrams both ways until it is aborted; that happens when it is idle, when the Pod closes its
// port, or when the relay wants its place.
type udpFlow struct {
	udpKey
	pod, host *net.UDPConn
	used      atomic.Int64 // time of the last datagram, ns since the epoch
	once      sync.Once
}

func (f *udpFlow) touch() { f.used.Store(time.Now().UnixNano()) }

func (f *udpFlow) idleSince() time.Time { return time.Unix(0, f.used.Load()) }

// Abort ends the flow; it may be called again.
func (f *udpFlow) Abort() {
	f.once.Do(func() {
		_ = f.pod.Close()
		_ = f.host.Close()
	})
}

// receivePackets serves one of the tproxy sockets, which get the first datagram of each flow, and maybe a few more
// before the flow has a socket of its own.
func (r *Relay) receivePackets(c *net.UDPConn) {
	var key udpKey
	in, err := newReader(c, func(fd int, b []byte) (n int, err error) {
		n, key, err = receiveWithDestination(fd, b)
		return n, err
	})
	for err == nil {
		b, err := in.next()
		if err != nil {
			if r.listenerTrouble(err) {
				continue
			}
			return
		}
		if key.src.IsValid() && key.dst.IsValid() {
			r.takePacket(key, b)
		}
		in.done()
	}
}

// receiveWithDestination reads a datagram, and its destination from the ancillary data.
func receiveWithDestination(fd int, b []byte) (int, udpKey, error) {
	oob := make([]byte, 128)
	n, oobn, _, from, err := unix.Recvmsg(fd, b, oob, unix.MSG_DONTWAIT)
	if err != nil {
		return 0, udpKey{}, err
	}
	key := udpKey{src: fromSockaddr(from)}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return n, key, nil
	}
	for i := range messages {
		if to, err := unix.ParseOrigDstAddr(&messages[i]); err == nil {
			key.dst = fromSockaddr(to)
		}
	}
	return n, key, nil
}

func fromSockaddr(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

func (r *Relay) takePacket(key udpKey, b []byte) {
	f := r.udp.find(key)
	if f == nil {
		var err error
		if f, err = r.openPacketFlow(key); err != nil {
			r.cfg.Log.Debug("relay cannot reach the destination", "network", "udp", "source", key.src, "destination", key.dst, "error", err)
			return
		}
	}
	f.touch()
	_, _ = f.host.Write(b) // a datagram may get lost
}

func (r *Relay) openPacketFlow(key udpKey) (*udpFlow, error) {
	conn, err := r.cfg.Dial(r.ctx, "udp", key.src, key.dst)
	if err != nil {
		return nil, err
	}
	f := &udpFlow{udpKey: key, host: conn.(*net.UDPConn)}
	err = r.cfg.InHub(func() (err error) {
		f.pod, err = dialPod(key.src, key.dst)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	f.touch()
	if !r.udp.add(f) {
		f.Abort()
		return nil, errors.New("too many flows")
	}
	var directions sync.WaitGroup
	directions.Go(func() { copyPackets(f, f.host, f.pod, true) })
	directions.Go(func() { copyPackets(f, f.pod, f.host, false) })
	r.running.Go(func() {
		directions.Wait()
		r.udp.remove(f)
	})
	return f, nil
}

// copyPackets copies one direction until the flow is aborted. A refused datagram (ICMP port unreachable) from the Pod means
// that nobody wants answers any more, so the flow ends; one from the destination may be a server that is about to start.
func copyPackets(f *udpFlow, dst, src *net.UDPConn, fromPod bool) {
	defer f.Abort()
	in, err := newReader(src, unix.Read)
	for err == nil {
		b, err := in.next()
		if errors.Is(err, net.ErrClosed) || (err != nil && fromPod) {
			return
		}
		if err != nil {
			continue
		}
		f.touch()
		_, _ = dst.Write(b)
		in.done()
	}
}

// A udpTable finds flows by key and ends those that are idle. When a Pod has too many, its oldest makes room.
type udpTable struct {
	*egress.Registry
	idle time.Duration

	mu     sync.Mutex
	byKey  map[udpKey]*udpFlow
	sweeps *time.Timer // nil while there is no flow: nothing wakes up then
}

func newUDPTable(l egress.Limits) *udpTable {
	return &udpTable{Registry: egress.NewRegistry(l.UDP, l.UDPPod), idle: l.UDPIdle, byKey: map[udpKey]*udpFlow{}}
}

func (t *udpTable) find(key udpKey) *udpFlow {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byKey[key]
}

// add makes room if it must, and tells whether there was any.
func (t *udpTable) add(f *udpFlow) bool {
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
	t.byKey[f.udpKey] = f
	if t.sweeps == nil {
		t.sweeps = time.AfterFunc(t.idle/4, t.sweep)
	}
	return true
}

func (t *udpTable) oldest(pod netip.Addr) *udpFlow {
	var oldest *udpFlow
	for _, f := range t.Of(pod) {
		if f := f.(*udpFlow); oldest == nil || f.idleSince().Before(oldest.idleSince()) {
			oldest = f
		}
	}
	return oldest
}

// remove may be called again for the same flow, also when another has its key by now.
func (t *udpTable) remove(f *udpFlow) {
	t.Registry.Remove(f.src.Addr(), f)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byKey[f.udpKey] == f {
		delete(t.byKey, f.udpKey)
	}
}

// sweep ends idle flows and arranges for the next sweep if any flow is left.
func (t *udpTable) sweep() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.byKey {
		if time.Since(f.idleSince()) > t.idle {
			f.Abort()
		}
	}
	if len(t.byKey) == 0 {
		t.sweeps = nil
		return
	}
	t.sweeps = time.AfterFunc(t.idle/4, t.sweep)
}

func (t *udpTable) close() {
	t.Registry.Close()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sweeps != nil {
		t.sweeps.Stop()
	}
}
