package relay

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/egress"
)

// Echo requests are copied as a whole: the relay sends what the Pod has sent. The kernel holds few, as none waits for anything.
const (
	echoCopied   = 0xffff - unix.SizeofNlAttr
	echoesQueued = 1024
)

var errTooMany = errors.New("too many flows")

// An echoQueue gets the Pods' ICMP echo requests to the outside. None of them goes on: they are sent again by ping sockets of the host.
type echoQueue struct {
	gate
	relay *Relay
	queue *queue
}

func (q *echoQueue) ready(w *worker, fd int, events uint32) {
	q.enter(1, func(uint32) {
		more := q.queue.each(w.buf, func(p queued) {
			q.queue.verdict(p.id, false)
			q.relay.takeEcho(p.payload)
		})
		if more {
			w.later(q, fd, events)
		}
	})
}

// takeEcho sends an echo request on its way, or tells the Pod why not. A reply is never made up.
func (r *Relay) takeEcho(payload []byte) {
	ip, ok := parsePacket(payload)
	if !ok {
		return
	}
	id, ok := parseEcho(ip)
	if !ok {
		return
	}
	k := echoKey{ip.src, ip.dst, id}
	f := r.echoes.find(k)
	if f == nil {
		var err error
		if f, err = r.openEchoFlow(k); err != nil {
			r.cfg.Log.Debug("relay cannot reach the destination", "network", "icmp", "source", k.src, "destination", k.dst, "error", err)
			r.tellEcho(egress.OutcomeOf(err), k, ip.payload)
			return
		}
	}
	if err := f.send(ip.payload); err != nil {
		r.tellEcho(egress.OutcomeOf(err), k, ip.payload)
	}
}

// tellEcho says "prohibited" where TCP would hear a refusal: an echo request has no port that could be unreachable.
func (r *Relay) tellEcho(o egress.Outcome, k echoKey, request []byte) {
	if o == egress.Refused {
		o = egress.Prohibited
	}
	protocol := byte(unix.IPPROTO_ICMPV6)
	if k.src.Is4() {
		protocol = unix.IPPROTO_ICMP
	}
	r.tell(o, key{netip.AddrPortFrom(k.src, 0), netip.AddrPortFrom(k.dst, 0)}, protocol, request)
}

// An echoKey names a flow of echo requests: the identifier tells the programs of a Pod apart.
type echoKey struct {
	src, dst netip.Addr
	id       uint16
}

// An echoFlow is a ping socket: icmp(7). The kernel puts an identifier of its own into what is sent by it, and gives it the replies with
// that one.
type echoFlow struct {
	relay *Relay
	echoKey
	gate
	host int
	used atomic.Int64 // time of the last request, ns since the epoch

	mu   sync.Mutex // as a UDP flow's
	gone bool
	last [icmpHeader]byte // the request that an error will be about
}

func (r *Relay) openEchoFlow(k echoKey) (*echoFlow, error) {
	to, err := r.cfg.Permit("icmp", netip.AddrPortFrom(k.src, 0), netip.AddrPortFrom(k.dst, 0))
	if err != nil {
		return nil, err
	}
	f := &echoFlow{relay: r, echoKey: k}
	// Without the option a ping socket is told of hard errors only, and of hosts that are unreachable not.
	protocol, errorsToo := unix.IPPROTO_ICMPV6, option{unix.SOL_IPV6, unix.IPV6_RECVERR, 1}
	if k.dst.Is4() {
		protocol, errorsToo = unix.IPPROTO_ICMP, option{unix.SOL_IP, unix.IP_RECVERR, 1}
	}
	if f.host, err = openHostSide(to, protocol, errorsToo); err != nil {
		return nil, err
	}
	f.used.Store(time.Now().UnixNano())
	err = errTooMany
	if r.echoes.add(k, f) {
		err = r.poller.add(f.host, packetEvents, f)
	}
	if err != nil {
		f.Abort()
		return nil, err
	}
	return f, nil
}

func (f *echoFlow) send(request []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone {
		return nil
	}
	f.used.Store(time.Now().UnixNano())
	copy(f.last[:], request)
	_, err := send(f.host, request)
	return waits(err)
}

func (f *echoFlow) owner() netip.Addr { return f.src }

func (f *echoFlow) lastUsed() int64 { return f.used.Load() }

// Abort ends the flow; it may be called again.
func (f *echoFlow) Abort() { f.enter(aborted, func(bits uint32) { f.work(nil, bits) }) }

func (f *echoFlow) ready(w *worker, _ int, _ uint32) {
	f.enter(hostIn, func(bits uint32) { f.work(w, bits) })
}

func (f *echoFlow) work(w *worker, bits uint32) {
	if bits&aborted != 0 {
		f.end()
	}
	for !f.gone {
		n, err := receive(f.host, w.buf, 0)
		switch {
		case err == unix.EAGAIN:
			return
		case err != nil:
			f.drainErrors(w.buf)
			f.relay.tellEcho(egress.OutcomeOf(err), f.echoKey, slices.Clone(f.last[:]))
		case n >= icmpHeader:
			f.relay.injector.send(f.src, echoReply(w.buf[:n], f.id, f.dst, f.src))
		}
	}
}

// drainErrors empties the queue of errors that the option brings with it.
func (f *echoFlow) drainErrors(buf []byte) {
	for {
		if _, _, _, _, err := unix.Recvmsg(f.host, buf, nil, unix.MSG_ERRQUEUE); err != nil {
			return
		}
	}
}

func (f *echoFlow) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone {
		return
	}
	f.gone = true
	f.relay.echoes.remove(f.echoKey, f)
	f.relay.poller.closeFD(f.host)
}
