package relay

import (
	"net/netip"
	"sync"
)

// A flow can be ended from outside; it then removes itself.
type flow interface{ abort() }

// A registry counts flows by Pod, refuses those beyond the limits, and finds the flows of a Pod. It cannot be used after close.
type registry struct {
	max, maxPod int

	mu     sync.Mutex
	total  int
	byPod  map[netip.Addr]map[flow]struct{}
	closed bool
}

func newRegistry(limit, limitPod int) *registry {
	return &registry{max: limit, maxPod: limitPod, byPod: map[netip.Addr]map[flow]struct{}{}}
}

// add tells whether there is room for the flow; if so, remove must follow once.
func (r *registry) add(pod netip.Addr, f flow) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	flows := r.byPod[pod]
	if r.closed || r.total >= r.max || len(flows) >= r.maxPod {
		return false
	}
	if flows == nil {
		flows = map[flow]struct{}{}
		r.byPod[pod] = flows
	}
	flows[f] = struct{}{}
	r.total++
	return true
}

func (r *registry) remove(pod netip.Addr, f flow) {
	r.mu.Lock()
	defer r.mu.Unlock()
	flows := r.byPod[pod]
	if _, ok := flows[f]; !ok {
		return
	}
	r.total--
	if delete(flows, f); len(flows) == 0 {
		delete(r.byPod, pod)
	}
}

// of returns the flows of a Pod.
func (r *registry) of(pod netip.Addr) []flow {
	r.mu.Lock()
	defer r.mu.Unlock()
	flows := make([]flow, 0, len(r.byPod[pod]))
	for f := range r.byPod[pod] {
		flows = append(flows, f)
	}
	return flows
}

// abort ends the flows of a Pod, outside of the lock: a flow that ends calls remove.
func (r *registry) abort(pod netip.Addr) {
	for _, f := range r.of(pod) {
		f.abort()
	}
}

func (r *registry) close() {
	r.mu.Lock()
	r.closed = true
	pods := make([]netip.Addr, 0, len(r.byPod))
	for pod := range r.byPod {
		pods = append(pods, pod)
	}
	r.mu.Unlock()
	for _, pod := range pods {
		r.abort(pod)
	}
}
