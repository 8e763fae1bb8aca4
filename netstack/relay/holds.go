package relay

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"github.com/peapod/peapod/netstack/egress"
)

// A heldSYN is a Pod's SYN that waits in the kernel's queue for a verdict.
type heldSYN struct {
	held     bool
	id       uint32 // the queue's name for it
	seq      uint32
	expected uint32 // the sequence number after it
}

// offerLife is how long a connected host side waits for the Pod to finish its handshake. The Pod's kernel does that at once, if the Pod is alive.
const offerLife = 30 * time.Second

// holds are the streams that have no pod side yet: dialing while their SYN is held, or offered. A Pod has only so many dials at a time:
// the oldest makes room, so a scan of silent addresses does not keep its Pod from connecting to others.
type holds struct {
	maxPod  int
	verdict func(id uint32, accept bool)
	answer  func(k key, syn heldSYN, o egress.Outcome)

	mu     sync.Mutex
	byKey  map[key]*stream
	dials  map[netip.Addr]*list.List
	sweeps *time.Timer // nil while nothing is offered
}

func newHolds(maxPod int) *holds {
	return &holds{maxPod: maxPod, byKey: map[key]*stream{}, dials: map[netip.Addr]*list.List{}}
}

// hold tells what to do with a SYN: of a stream that waits, it is a repetition, which is dropped or goes the way of the first.
// Otherwise the stream is entered, and the caller starts it and aborts the victim, if any.
func (h *holds) hold(s *stream, syn heldSYN) (isNew bool, victim *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if known := h.byKey[s.key]; known != nil {
		h.verdict(syn.id, !known.syn.held)
		return false, nil
	}
	s.syn = syn
	h.byKey[s.key] = s
	return true, h.enter(s)
}

// begin enters a stream that has its pod side already.
func (h *holds) begin(s *stream) (victim *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.enter(s)
}

func (h *holds) enter(s *stream) (victim *stream) {
	pod := s.src.Addr()
	dials := h.dials[pod]
	if dials == nil {
		dials = list.New()
		h.dials[pod] = dials
	}
	s.turn = dials.PushBack(s)
	if dials.Len() > h.maxPod {
		victim = dials.Front().Value.(*stream)
		h.leave(victim)
	}
	return victim
}

// leave takes a stream out of its Pod's dials.
func (h *holds) leave(s *stream) {
	if s.turn == nil {
		return
	}
	pod := s.src.Addr()
	if h.dials[pod].Remove(s.turn); h.dials[pod].Len() == 0 {
		delete(h.dials, pod)
	}
	s.turn = nil
}

// offer lets the SYN go on its way, which ends at the listener.
func (h *holds) offer(s *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leave(s)
	h.release(s, true)
	s.expires = time.Now().Add(offerLife).UnixNano()
	if h.sweeps == nil {
		h.sweeps = time.AfterFunc(offerLife/4, h.sweep)
	}
}

func (h *holds) release(s *stream, accept bool) {
	if s.syn.held {
		h.verdict(s.syn.id, accept)
		s.syn.held = false
	}
}

// connected ends the dial of a stream that has its pod side.
func (h *holds) connected(s *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leave(s)
}

// refuse answers the SYN, if one is held.
func (h *holds) refuse(s *stream, o egress.Outcome) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.syn.held {
		h.release(s, false)
		h.answer(s.key, s.syn, o)
	}
}

// claim finds the stream that was offered to a connection.
func (h *holds) claim(k key) *stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.byKey[k]
	if s == nil || s.expires == 0 {
		return nil
	}
	delete(h.byKey, k)
	return s
}

// forget removes a stream that has ended.
func (h *holds) forget(s *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leave(s)
	h.release(s, false)
	if h.byKey[s.key] == s {
		delete(h.byKey, s.key)
	}
}

// sweep ends what was offered in vain.
func (h *holds) sweep() {
	now := time.Now().UnixNano()
	var expired []*stream
	offers := false
	h.mu.Lock()
	for _, s := range h.byKey {
		if s.expires != 0 && s.expires < now {
			expired = append(expired, s)
		}
		offers = offers || s.expires != 0
	}
	h.sweeps = nil
	if offers {
		h.sweeps = time.AfterFunc(offerLife/4, h.sweep)
	}
	h.mu.Unlock()
	for _, s := range expired {
		s.Abort()
	}
}

func (h *holds) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sweeps != nil {
		h.sweeps.Stop()
	}
}
