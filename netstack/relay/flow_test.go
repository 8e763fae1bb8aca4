package relay

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/peapod/peapod/netstack/egress"
)

func TestGateLosesNothing(t *testing.T) {
	var g gate
	var inside, most, seen int
	var all sync.WaitGroup
	for bit := range 8 {
		all.Go(func() {
			for range 1000 {
				g.enter(1<<bit, func(bits uint32) {
					inside++
					most = max(most, inside)
					seen |= int(bits)
					inside--
				})
			}
		})
	}
	all.Wait()
	g.enter(1<<8, func(bits uint32) { seen |= int(bits) })
	if most != 1 || seen != 1<<9-1 {
		t.Errorf("%d were inside, bits %#x", most, seen)
	}
}

type testFlow struct {
	pod     netip.Addr
	used    int64
	aborted int
}

func (f *testFlow) owner() netip.Addr { return f.pod }
func (f *testFlow) lastUsed() int64   { return f.used }
func (f *testFlow) Abort()            { f.aborted++ }

func TestFlowTableMakesRoom(t *testing.T) {
	table := newFlowTable[int, *testFlow](4, 2, time.Hour)
	defer table.close()
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	old, unused, next := &testFlow{pod: a, used: 1}, &testFlow{pod: a, used: 2}, &testFlow{pod: a, used: 3}
	for i, f := range []*testFlow{old, unused} {
		if !table.add(i, f) {
			t.Fatal("no room")
		}
	}
	old.used = 5 // in use still
	if !table.add(2, next) || unused.aborted != 1 || old.aborted != 0 || table.find(1) != nil || table.find(0) != old || table.find(2) != next {
		t.Error("another than the one that was not used made room")
	}
	others := []*testFlow{{pod: b}, {pod: b}}
	for i, f := range others {
		if !table.add(10+i, f) {
			t.Error("another pod's flows are in the way")
		}
	}
	if table.add(20, &testFlow{pod: netip.MustParseAddr("10.0.0.3")}) || old.aborted+next.aborted+others[0].aborted != 0 {
		t.Error("a pod without flows had one when all places were taken")
	}
	table.remove(2, next)
	again := &testFlow{pod: a}
	if !table.add(1, again) {
		t.Error("removing made no room")
	}
	table.remove(1, unused) // it ends only now, when its key belongs to another
	if table.find(1) != again {
		t.Error("an old flow's end removed its successor")
	}
	table.abort(b)
	if others[0].aborted != 1 || others[1].aborted != 1 || again.aborted != 0 {
		t.Error("the wrong flows were ended")
	}
}

func TestFlowTableSweeps(t *testing.T) {
	table := newFlowTable[int, *testFlow](4, 4, time.Minute)
	defer table.close()
	idle, busy := &testFlow{used: time.Now().Add(-2 * time.Minute).UnixNano()}, &testFlow{used: time.Now().UnixNano()}
	table.add(1, idle)
	table.add(2, busy)
	table.sweep()
	if idle.aborted != 1 || busy.aborted != 0 || table.sweeps == nil {
		t.Error("swept the wrong one")
	}
	table.remove(1, idle)
	table.remove(2, busy)
	if table.sweep(); table.sweeps != nil {
		t.Error("sweeps on without flows")
	}
}

// recorded holds note what they were told.
func recorded(maxPod int) (h *holds, verdicts map[uint32]bool, answers map[uint16]egress.Outcome) {
	h = newHolds(maxPod)
	verdicts, answers = map[uint32]bool{}, map[uint16]egress.Outcome{}
	h.verdict = func(id uint32, accept bool) { verdicts[id] = accept }
	h.answer = func(k key, _ heldSYN, o egress.Outcome) { answers[k.src.Port()] = o }
	return h, verdicts, answers
}

func testStream(port uint16) *stream {
	return newStream(nil, key{netip.AddrPortFrom(key4.src.Addr(), port), key4.dst})
}

func TestHolds(t *testing.T) {
	h, verdicts, answers := recorded(3)
	defer h.close()
	s := testStream(1)
	if isNew, victim := h.hold(s, heldSYN{held: true, id: 1}); !isNew || victim != nil {
		t.Fatal("not held")
	}
	if isNew, _ := h.hold(testStream(1), heldSYN{held: true, id: 2}); isNew || verdicts[2] || len(verdicts) != 1 {
		t.Error("a repetition is to be dropped while the first is held")
	}
	if h.claim(s.key) != nil {
		t.Error("claimed before it was offered")
	}
	h.offer(s)
	if !verdicts[1] {
		t.Error("the SYN does not go on")
	}
	if isNew, _ := h.hold(testStream(1), heldSYN{held: true, id: 3}); isNew || !verdicts[3] {
		t.Error("a repetition is to go on after the offer")
	}
	if h.claim(s.key) != s || h.claim(s.key) != nil {
		t.Error("want it once")
	}

	refused := testStream(2)
	h.hold(refused, heldSYN{held: true, id: 4})
	h.refuse(refused, egress.Refused)
	h.forget(refused)
	if verdicts[4] || answers[2] != egress.Refused || len(h.byKey) != 0 || len(h.dials) != 0 {
		t.Errorf("verdicts %v, answers %v, holds %v, dials %v", verdicts, answers, h.byKey, h.dials)
	}
}

func TestOldestDialMakesRoom(t *testing.T) {
	h, verdicts, _ := recorded(2)
	first := testStream(1)
	h.hold(first, heldSYN{held: true, id: 1})
	h.hold(testStream(2), heldSYN{held: true, id: 2})
	if _, victim := h.hold(testStream(3), heldSYN{held: true, id: 3}); victim != first {
		t.Errorf("got %v", victim)
	}
	h.forget(first)
	if accept, ok := verdicts[1]; accept || !ok || len(verdicts) != 1 {
		t.Errorf("verdicts %v", verdicts)
	}
}

func TestOffersExpire(t *testing.T) {
	h, _, _ := recorded(2)
	defer h.close()
	r := &Relay{holds: h, tcp: egress.NewRegistry(1, 1)}
	s := testStream(1)
	s.relay, s.state = r, offered
	h.hold(s, heldSYN{})
	h.offer(s)
	if h.sweep(); h.claim(s.key) != s {
		t.Error("expired at once")
	}
	h.hold(s, heldSYN{})
	s.expires = 1
	if h.sweep(); s.state != ended || len(h.byKey) != 0 {
		t.Error("still offered")
	}
}
