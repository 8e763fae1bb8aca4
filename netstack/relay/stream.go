package relay

import (
	"container/list"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/egress"
)

// A key names a flow.
type key struct{ src, dst netip.AddrPort }

// A stream is one TCP flow. Its life:
//
//	                 held SYN                          no queue in the kernel
//	new ──dial──▶ dialing ──connected──▶ offered       new (with the pod side) ──dial──▶ dialing
//	                 │                      │                                              │ connected
//	                 │ failed               │ accept brings the pod side                   ▼
//	                 ▼                      └────────────────────────────────────────▶ copying
//	               ended ◀──────────────── both directions done, reset, expired, abort ─────┘
//
// Everything but the gate, and what the holds guard, belongs to whoever is inside the gate.
type stream struct {
	relay *Relay
	key
	gate
	pair
	state  state
	joined bool // the pod side is there

	// The rest is guarded by the lock of relay.holds.
	syn     heldSYN
	turn    *list.Element // place among the dials of its Pod
	expires int64         // when offered: time in ns since the epoch
}

type state uint8

const (
	fresh state = iota
	dialing
	offered
	copying
	ended
)

func newStream(r *Relay, k key) *stream { return &stream{relay: r, key: k, pair: pair{host: -1}} }

// ready is called by the poller.
func (s *stream) ready(w *worker, fd int, events uint32) { s.post(w, s.bitsOf(fd, events)) }

func (s *stream) post(w *worker, bits uint32) {
	s.enter(bits, func(bits uint32) { s.work(w, bits) })
}

// Abort resets both sides, and drops a SYN that is held.
func (s *stream) Abort() { s.post(nil, aborted) }

// work is what a stream does when something has happened. w is nil when it was aborted by somebody else.
func (s *stream) work(w *worker, bits uint32) {
	if bits&aborted != 0 {
		s.end(true)
	}
	s.notice(bits)
	switch s.state {
	case fresh:
		s.dial(w)
	case dialing:
		if bits&(hostOut|hostEnding) != 0 {
			s.connect(w)
		}
	case offered:
		if bits&podArrived != 0 {
			s.join(w)
		}
		// A host side that has ended or broken says so to the Pod when it is there.
	case copying:
		s.carry(w, bits)
	case ended:
		if bits&podArrived != 0 {
			s.relay.poller.closeStream(s.pod, true) // it came too late
		}
	}
}

// dial starts to connect the host side. What the policy or the kernel knows at once is told at once.
func (s *stream) dial(w *worker) {
	to, err := s.relay.cfg.Permit("tcp", s.src, s.dst)
	if err == nil {
		err = s.relay.cfg.Beside(to.Addr(), func() (err error) {
			s.host, err = openStream(to.Addr())
			return err
		})
	}
	if err != nil {
		s.fail(err)
		return
	}
	s.state = dialing
	if err := unix.Connect(s.host, sockaddr(to)); err != nil && err != unix.EINPROGRESS && err != unix.EINTR {
		s.fail(err)
		return
	}
	if s.connect(w); s.state == ended {
		return
	}
	if err := s.relay.poller.add(s.host, streamEvents, s); err != nil {
		s.fail(err)
	}
}

// connect asks how the attempt stands, by connecting again: connect(2); the address does not matter then. A destination on this machine has answered already.
func (s *stream) connect(w *worker) {
	switch err := unix.Connect(s.host, sockaddr(s.dst)); err {
	case nil, unix.EISCONN:
		s.connected(w)
	case unix.EALREADY, unix.EINPROGRESS, unix.EINTR:
	default:
		s.fail(err)
	}
}

// connected tells the Pod, whose handshake then brings the pod side, or copies if that was there first.
func (s *stream) connected(w *worker) {
	if s.joined {
		s.relay.holds.connected(s)
		s.join(w)
		return
	}
	s.state = offered
	s.relay.holds.offer(s)
}

// join adds the pod side, which accept has set. The host may have sent something, or ended, long before.
func (s *stream) join(w *worker) {
	s.joined = true
	if err := s.relay.poller.add(s.pod, streamEvents, s); err != nil {
		s.relay.cfg.Log.Warn("relay cannot take a flow", "error", err)
		s.end(true)
		return
	}
	s.state = copying
	s.carry(w, podIn|podOut|hostIn|hostOut)
}

// fail tells the Pod how the dial ended. Precondition: not connected.
func (s *stream) fail(err error) {
	s.relay.cfg.Log.Debug("relay cannot reach the destination", "network", "tcp", "source", s.src, "destination", s.dst, "error", err)
	s.relay.holds.refuse(s, egress.OutcomeOf(err))
	s.end(true)
}

func (s *stream) carry(w *worker, bits uint32) {
	if over, isBroken := s.copy(w, s, bits); over {
		s.end(isBroken)
	}
}

// end closes both sides, with RST if the flow was broken.
func (s *stream) end(isBroken bool) {
	if s.state == ended {
		return
	}
	s.state = ended
	s.relay.holds.forget(s)
	s.drop()
	if s.joined {
		s.relay.poller.closeStream(s.pod, isBroken)
	}
	if s.host >= 0 {
		s.relay.poller.closeStream(s.host, isBroken)
	}
	s.relay.tcp.Remove(s.src.Addr(), s)
}
