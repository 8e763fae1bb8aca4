package relay

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/egress"
)

// A receiver gets, from tproxy, the first datagram of each UDP flow, and maybe a few more before the flow has a socket of its own.
type receiver struct {
	gate
	relay *Relay
	fd    int
}

func (c *receiver) ready(w *worker, fd int, events uint32) {
	c.enter(1, func(uint32) {
		for range turnFlows {
			n, k, err := receiveWithDestination(c.fd, w.buf)
			if err == nil && k.src.IsValid() && k.dst.IsValid() {
				c.relay.takePacket(k, w.buf[:n])
			} else if err != nil && !c.relay.trouble(err) {
				return
			}
		}
		w.later(c, fd, events)
	})
}

// receiveWithDestination reads a datagram, and its destination from the ancillary data.
func receiveWithDestination(fd int, b []byte) (int, key, error) {
	var oob [128]byte
	n, oobn, _, from, err := unix.Recvmsg(fd, b, oob[:], 0)
	if err != nil {
		return 0, key{}, err
	}
	k := key{src: fromSockaddr(from)}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return n, k, nil
	}
	for i := range messages {
		if to, err := unix.ParseOrigDstAddr(&messages[i]); err == nil {
			k.dst = fromSockaddr(to)
		}
	}
	return n, k, nil
}

// takePacket sends the first datagram of a flow on its way, or tells the Pod why not.
func (r *Relay) takePacket(k key, b []byte) {
	f := r.udp.find(k)
	if f == nil {
		var err error
		if f, err = r.openUDPFlow(k); err != nil {
			r.cfg.Log.Debug("relay cannot reach the destination", "network", "udp", "source", k.src, "destination", k.dst, "error", err)
			r.tell(egress.OutcomeOf(err), k, unix.IPPROTO_UDP, udpStart(k))
			return
		}
	}
	f.first(b)
}

// udpStart is a UDP header as ICMP quotes it: who sent it matters, its length does not.
func udpStart(k key) []byte { return append(ports(k), 0, 8, 0, 0) }

// ports are the first four bytes of a TCP or UDP header.
func ports(k key) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, k.src.Port()), k.dst.Port())
}

// A udpFlow copies datagrams both ways until it is aborted; that happens when it is idle, when the Pod closes its
// port, or when the relay wants its place.
type udpFlow struct {
	relay *Relay
	key
	gate
	pod, host int
	used      atomic.Int64 // time of the last datagram, ns since the epoch

	// gone changes only inside the gate. The lock is for those outside: while they hold it, the descriptors stay open.
	mu   sync.Mutex
	gone bool
}

func (r *Relay) openUDPFlow(k key) (*udpFlow, error) {
	to, err := r.cfg.Permit("udp", k.src, k.dst)
	if err != nil {
		return nil, err
	}
	f := &udpFlow{relay: r, key: k}
	err = r.cfg.Beside(to.Addr(), func() (err error) {
		f.host, err = openHostSide(to, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = r.cfg.InHub(func() (err error) {
		f.pod, err = openPodSide(k)
		return err
	})
	if err != nil {
		_ = unix.Close(f.host)
		return nil, err
	}
	f.touch()
	err = errTooMany
	if r.udp.add(k, f) {
		if err = r.poller.add(f.host, packetEvents, f); err == nil {
			err = r.poller.add(f.pod, packetEvents, f)
		}
	}
	if err != nil {
		f.Abort()
		return nil, err
	}
	return f, nil
}

// Of the bits of a stream's gate, a UDP flow uses podIn, hostIn and aborted.

func (f *udpFlow) touch() { f.used.Store(time.Now().UnixNano()) }

func (f *udpFlow) owner() netip.Addr { return f.src.Addr() }

func (f *udpFlow) lastUsed() int64 { return f.used.Load() }

// Abort ends the flow; it may be called again.
func (f *udpFlow) Abort() { f.post(nil, aborted) }

// first sends a datagram that did not come by the flow's own socket.
func (f *udpFlow) first(b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.gone {
		f.touch()
		_, _ = send(f.host, b)
	}
}

func (f *udpFlow) ready(w *worker, fd int, events uint32) {
	if fd == f.host {
		f.post(w, hostIn)
	} else {
		f.post(w, podIn)
	}
}

func (f *udpFlow) post(w *worker, bits uint32) {
	f.enter(bits, func(bits uint32) { f.work(w, bits) })
}

func (f *udpFlow) work(w *worker, bits uint32) {
	if bits&aborted != 0 && !f.gone {
		f.end()
	}
	if f.gone {
		return
	}
	if bits&podIn != 0 && f.copy(w, f.host, f.pod, f.podError) {
		w.later(f, f.pod, unix.EPOLLIN)
	}
	if bits&hostIn != 0 && !f.gone && f.copy(w, f.pod, f.host, f.hostError) {
		w.later(f, f.host, unix.EPOLLIN)
	}
}

// copy moves the datagrams that are there, up to a turn's worth. On an error it goes on if failed says so.
func (f *udpFlow) copy(w *worker, dst, src int, failed func(error) (goOn bool)) (again bool) {
	for range turnFlows {
		n, err := receive(src, w.buf, 0)
		if err == unix.EAGAIN {
			return false
		}
		if err != nil {
			if !failed(err) {
				return false
			}
			continue
		}
		f.touch()
		if _, err := send(dst, w.buf[:n]); err == unix.ECONNREFUSED {
			_, _ = send(dst, w.buf[:n]) // the error was that of a datagram before: this one was not sent
		}
	}
	return true
}

// podError: a refused answer means that nobody wants answers any more.
func (f *udpFlow) podError(error) bool {
	f.end()
	return false
}

// hostError passes on what the destination or a router on the way says about a datagram.
func (f *udpFlow) hostError(err error) bool {
	f.relay.tell(egress.OutcomeOf(err), f.key, unix.IPPROTO_UDP, udpStart(f.key))
	return true
}

func (f *udpFlow) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = true
	f.relay.udp.remove(f.key, f)
	f.relay.poller.closeFD(f.pod)
	f.relay.poller.closeFD(f.host)
}
