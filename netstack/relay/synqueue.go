package relay

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/egress"
)

// A SYN is copied up to its TCP header, behind as many extension headers as anybody uses. The kernel holds this many of all Pods.
const (
	synCopied  = 256
	synsQueued = 16384
)

// A synQueue gets the Pods' SYNs before tproxy does.
type synQueue struct {
	gate
	relay *Relay
	queue *queue
}

func (q *synQueue) ready(w *worker, fd int, events uint32) {
	q.enter(1, func(uint32) {
		if q.queue.each(w.buf, func(p queued) { q.take(w, p) }) {
			w.later(q, fd, events)
		}
	})
}

// each calls take for the packets that are there, and tells whether there may be more.
func (q *queue) each(buf []byte, take func(queued)) (more bool) {
	for range turnFlows {
		n, err := receive(q.fd, buf, 0)
		if err == unix.EAGAIN {
			return false
		}
		for b := buf[:n]; len(b) > 0; {
			p, rest, ok := parseQueued(b)
			if ok {
				take(p)
			}
			b = rest
		}
	}
	return true
}

func (q *synQueue) take(w *worker, p queued) {
	r := q.relay
	ip, ok := parsePacket(p.payload)
	if !ok {
		q.queue.verdict(p.id, false)
		return
	}
	k, syn, ok := parseSYN(ip)
	if !ok {
		q.queue.verdict(p.id, false)
		return
	}
	syn.held, syn.id = true, p.id
	s := newStream(r, k)
	isNew, victim := r.holds.hold(s, syn)
	if !isNew {
		return
	}
	if victim != nil {
		victim.Abort()
	}
	if !r.tcp.Add(k.src.Addr(), s) {
		r.cfg.Log.Debug("relay has too many flows", "network", "tcp", "source", k.src, "destination", k.dst)
		r.holds.forget(s)
		return
	}
	s.post(w, 0)
}

// answerSYN tells the Pod how the dial for its SYN ended.
func (r *Relay) answerSYN(k key, syn heldSYN, o egress.Outcome) {
	if o == egress.Refused {
		r.injector.send(k.src.Addr(), resetFor(k, syn))
		return
	}
	start := binary.BigEndian.AppendUint32(ports(k), syn.seq)
	r.tell(o, k, unix.IPPROTO_TCP, start)
}

// tell sends the ICMP message for an outcome, if there is one. The destination itself says that nobody listens, the gateway all else.
func (r *Relay) tell(o egress.Outcome, k key, protocol byte, start []byte) {
	from := r.cfg.Gateway6
	if k.src.Addr().Is4() {
		from = r.cfg.Gateway4
	}
	if o == egress.Refused {
		from = k.dst.Addr()
	}
	if m := unreachable(o, from, k, protocol, start); m != nil {
		r.injector.send(k.src.Addr(), m)
	}
}
