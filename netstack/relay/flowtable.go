package relay

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"github.com/peapod/peapod/netstack/egress"
)

// An idleFlow ends by itself only when nothing moved for a while.
type idleFlow interface {
	comparable
	egress.Flow
	owner() netip.Addr
	lastUsed() int64 // ns since the epoch
}

// A flowTable finds flows by key and ends those that are idle. When a Pod has too many, one that it has not used lately makes room.
type flowTable[K comparable, F idleFlow] struct {
	max, maxPod int
	idle        time.Duration

	mu     sync.Mutex
	byKey  map[K]F
	byPod  map[netip.Addr]*list.List // of *place
	places map[F]*list.Element
	sweeps *time.Timer // nil while there is no flow: nothing wakes up then
	closed bool
}

// A place in a Pod's list is at the end when the flow is new, or was found to be in use when room was needed.
type place[K comparable, F idleFlow] struct {
	key  K
	flow F
	seen int64
}

func newFlowTable[K comparable, F idleFlow](limit, limitPod int, idle time.Duration) *flowTable[K, F] {
	return &flowTable[K, F]{
		max: limit, maxPod: limitPod, idle: idle,
		byKey: map[K]F{}, byPod: map[netip.Addr]*list.List{}, places: map[F]*list.Element{},
	}
}

// find returns the zero value if there is none.
func (t *flowTable[K, F]) find(k K) F {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byKey[k]
}

// add makes room if it must, and tells whether there was any.
func (t *flowTable[K, F]) add(k K, f F) bool {
	victim, added := t.enter(k, f)
	var none F
	if victim != none {
		victim.Abort()
	}
	return added
}

func (t *flowTable[K, F]) enter(k K, f F) (victim F, added bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	flows := t.byPod[f.owner()]
	if flows == nil {
		flows = list.New()
	}
	full := len(t.places) >= t.max || flows.Len() >= t.maxPod
	if t.closed || full && flows.Len() == 0 {
		return victim, false
	}
	if full {
		oldest := t.oldest(flows)
		victim = oldest.flow
		t.leave(oldest.key, victim)
	}
	t.byKey[k] = f
	t.byPod[f.owner()] = flows
	t.places[f] = flows.PushBack(&place[K, F]{k, f, f.lastUsed()})
	if t.sweeps == nil {
		t.sweeps = time.AfterFunc(t.idle/4, t.sweep)
	}
	return victim, true
}

// oldest gives a few flows that were used since they came to their place a second chance. Looking at all would make a scan of ports by one Pod a
// burden for others.
func (t *flowTable[K, F]) oldest(flows *list.List) *place[K, F] {
	for range 8 {
		p := flows.Front().Value.(*place[K, F])
		if used := p.flow.lastUsed(); used > p.seen {
			p.seen = used
			flows.MoveToBack(flows.Front())
			continue
		}
		break
	}
	return flows.Front().Value.(*place[K, F])
}

// remove may be called again for the same flow, also when another has its key by now.
func (t *flowTable[K, F]) remove(k K, f F) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.leave(k, f)
}

func (t *flowTable[K, F]) leave(k K, f F) {
	e := t.places[f]
	if e == nil {
		return
	}
	delete(t.places, f)
	flows := t.byPod[f.owner()]
	if flows.Remove(e); flows.Len() == 0 {
		delete(t.byPod, f.owner())
	}
	if t.byKey[k] == f {
		delete(t.byKey, k)
	}
}

// sweep ends idle flows and arranges for the next sweep if any flow is left.
func (t *flowTable[K, F]) sweep() {
	before := time.Now().Add(-t.idle).UnixNano()
	abortAll(t.choose(func(f F) bool { return f.lastUsed() < before }))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweeps = nil
	if len(t.places) > 0 && !t.closed {
		t.sweeps = time.AfterFunc(t.idle/4, t.sweep)
	}
}

// abort ends the flows of a Pod.
func (t *flowTable[K, F]) abort(pod netip.Addr) {
	abortAll(t.choose(func(f F) bool { return f.owner() == pod }))
}

// close ends all flows and takes no more.
func (t *flowTable[K, F]) close() {
	t.mu.Lock()
	t.closed = true
	if t.sweeps != nil {
		t.sweeps.Stop()
	}
	t.mu.Unlock()
	abortAll(t.choose(func(F) bool { return true }))
}

func (t *flowTable[K, F]) choose(which func(F) bool) (chosen []F) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for f := range t.places {
		if which(f) {
			chosen = append(chosen, f)
		}
	}
	return chosen
}

// abortAll needs no lock: a flow that ends removes itself, which takes it.
func abortAll[F idleFlow](flows []F) {
	for _, f := range flows {
		f.Abort()
	}
}
