package publish

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// listenPackets asks for each datagram's destination: on a socket for every address, the answer has to come from that.
func listenPackets(network string, at netip.AddrPort) (*net.UDPConn, error) {
	c, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	raw, err := c.SyscallConn()
	if err == nil {
		var set error
		err = raw.Control(func(fd uintptr) {
			level, option := unix.SOL_IP, unix.IP_PKTINFO
			if at.Addr().Is6() {
				level, option = unix.SOL_IPV6, unix.IPV6_RECVPKTINFO
			}
			set = unix.SetsockoptInt(int(fd), level, option, 1)
		})
		err = errors.Join(err, set)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// A packetKey names a flow of one port.
type packetKey struct {
	client netip.AddrPort
	local  netip.Addr // of the host, where the client wrote to
}

// A packetFlow copies answers of the Pod until it is aborted.
type packetFlow struct {
	packetKey
	pod   *net.UDPConn
	used  atomic.Int64 // time of the last datagram, ns since the epoch
	ended func()       // called once, when the flow is aborted
	once  sync.Once
}

func (f *packetFlow) touch() { f.used.Store(time.Now().UnixNano()) }

func (f *packetFlow) abort() {
	f.once.Do(func() {
		_ = f.pod.Close()
		f.ended()
	})
}

// packets are the flows of one port.
type packets struct {
	m      *Manager
	p      *published
	socket *net.UDPConn

	mu     sync.Mutex
	flows  map[packetKey]*packetFlow
	sweeps *time.Timer // nil while there is no flow: nothing wakes up then
}

// receivePackets serves a port's socket.
func (m *Manager) receivePackets(p *published, c *net.UDPConn) {
	t := &packets{m: m, p: p, socket: c, flows: map[packetKey]*packetFlow{}}
	var key packetKey
	receive := func(fd int, b []byte) (n int, err error) {
		n, key, err = receiveWithAddresses(fd, b)
		return n, err
	}
	for {
		err := eachPacket(c, receive, func(b []byte) { t.take(key, b) })
		if !m.trouble(p, err) {
			t.stop()
			return
		}
	}
}

// receiveWithAddresses reads a datagram, where it is from, and from the ancillary data where it went to (ip(7), ipv6(7)).
func receiveWithAddresses(fd int, b []byte) (int, packetKey, error) {
	oob := make([]byte, 128)
	n, oobn, _, from, err := unix.Recvmsg(fd, b, oob, unix.MSG_DONTWAIT)
	if err != nil {
		return 0, packetKey{}, err
	}
	var key packetKey
	switch from := from.(type) {
	case *unix.SockaddrInet4:
		key.client = netip.AddrPortFrom(netip.AddrFrom4(from.Addr), uint16(from.Port))
	case *unix.SockaddrInet6:
		key.client = netip.AddrPortFrom(netip.AddrFrom16(from.Addr), uint16(from.Port))
		if from.ZoneId != 0 {
			if i, err := net.InterfaceByIndex(int(from.ZoneId)); err == nil {
				key.client = netip.AddrPortFrom(key.client.Addr().WithZone(i.Name), key.client.Port())
			}
		}
	}
	key.local = destinationOf(oob[:oobn])
	return n, key, nil
}

func destinationOf(oob []byte) netip.Addr {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return netip.Addr{}
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.SOL_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo:
			return netip.AddrFrom4([4]byte(m.Data[4:8])) // ipi_spec_dst
		case m.Header.Level == unix.SOL_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			return netip.AddrFrom16([16]byte(m.Data[:16]))
		}
	}
	return netip.Addr{}
}

// sourceOf is ancillary data that gives a datagram its source.
func sourceOf(local netip.Addr) []byte {
	switch {
	case local.Is4():
		return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: local.As4()})
	case local.Is6():
		return unix.PktInfo6(&unix.Inet6Pktinfo{Addr: local.As16()})
	}
	return nil
}

func (t *packets) take(key packetKey, b []byte) {
	if !key.client.IsValid() {
		return
	}
	t.mu.Lock()
	f := t.flows[key]
	t.mu.Unlock()
	if f == nil {
		var err error
		if f, err = t.open(key); err != nil {
			t.m.cfg.Log.Debug("published port cannot reach the pod", "network", "udp", "client", key.client, "pod", t.p.to, "error", err)
			return
		}
	}
	f.touch()
	_, _ = f.pod.Write(b) // a datagram may get lost
}

func (t *packets) open(key packetKey) (*packetFlow, error) {
	if !t.m.enter("udp", t.m.cfg.UDP) && (!t.makeRoom() || !t.m.enter("udp", t.m.cfg.UDP)) {
		return nil, errors.New("too many flows")
	}
	conn, err := t.m.cfg.Dial(context.Background(), "udp", key.client, t.p.to)
	if err != nil {
		t.m.leave("udp")
		return nil, err
	}
	f := &packetFlow{packetKey: key, pod: conn.(*net.UDPConn), ended: func() { t.m.leave("udp") }}
	f.touch()
	t.mu.Lock()
	t.flows[key] = f
	if t.sweeps == nil {
		t.sweeps = time.AfterFunc(t.m.cfg.UDPIdle/4, t.sweep)
	}
	t.mu.Unlock()
	t.p.add(f)
	t.m.running.Go(func() {
		source := sourceOf(key.local)
		// An error may be a refusal (ICMP port unreachable) by the Pod: the client's next datagram makes the flow anew.
		_ = eachPacket(f.pod, unix.Read, func(b []byte) {
			f.touch()
			_, _, _ = t.socket.WriteMsgUDPAddrPort(b, source, key.client)
		})
		t.remove(f)
	})
	return f, nil
}

// remove forgets a flow that has ended, whose key may be another's by now.
func (t *packets) remove(f *packetFlow) {
	f.abort()
	t.p.remove(f)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.flows[f.packetKey] == f {
		delete(t.flows, f.packetKey)
	}
}

// makeRoom ends this port's oldest flow, if there is any.
func (t *packets) makeRoom() bool {
	t.mu.Lock()
	var oldest *packetFlow
	for _, f := range t.flows {
		if oldest == nil || f.used.Load() < oldest.used.Load() {
			oldest = f
		}
	}
	if oldest != nil {
		delete(t.flows, oldest.packetKey)
	}
	t.mu.Unlock()
	if oldest == nil {
		return false
	}
	oldest.abort()
	return true
}

// sweep ends silent flows and arranges for the next sweep if any flow is left.
func (t *packets) sweep() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.flows {
		if time.Since(time.Unix(0, f.used.Load())) > t.m.cfg.UDPIdle {
			f.abort()
		}
	}
	if len(t.flows) == 0 || t.p.ctx.Err() != nil {
		t.sweeps = nil
		return
	}
	t.sweeps = time.AfterFunc(t.m.cfg.UDPIdle/4, t.sweep)
}

func (t *packets) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sweeps != nil {
		t.sweeps.Stop()
	}
}
