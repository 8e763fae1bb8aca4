package egress

import (
	"net/netip"
	"sync"
)

// A Flow can be ended from outside; it then removes itself.
type Flow interface{ Abort() }

// A Registry counts flows by Pod, refuses those beyond the limits, and finds the flows of a Pod. It cannot be used after Close.
type Registry struct {
	max, maxPod int

	mu     sync.Mutex
	total  int
	byPod  map[netip.Addr]map[Flow]struct{}
	closed bool
}

// NewRegistry makes one for that many flows in all and of one Pod.
func NewRegistry(limit, limitPod int) *Registry {
	return &Registry{max: limit, maxPod: limitPod, byPod: map[netip.Addr]map[Flow]struct{}{}}
}

// Add tells whether there is room for the flow; if so, Remove must follow once.
func (r *Registry) Add(pod netip.Addr, f Flow) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	flows := r.byPod[pod]
	if r.closed || r.total >= r.max || len(flows) >= r.maxPod {
		return false
	}
	if flows == nil {
		flows = map[Flow]struct{}{}
		r.byPod[pod] = flows
	}
	flows[f] = struct{}{}
	r.total++
	return true
}

// Remove may be called again for the same flow.
func (r *Registry) Remove(pod netip.Addr, f Flow) {
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

// Number is how many flows a Pod has.
func (r *Registry) Number(pod netip.Addr) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.byPod[pod])
}

// Of returns the flows of a Pod.
func (r *Registry) Of(pod netip.Addr) []Flow {
	r.mu.Lock()
	defer r.mu.Unlock()
	flows := make([]Flow, 0, len(r.byPod[pod]))
	for f := range r.byPod[pod] {
		flows = append(flows, f)
	}
	return flows
}

// Abort ends the flows of a Pod, outside of the lock: a flow that ends calls Remove.
func (r *Registry) Abort(pod netip.Addr) {
	for _, f := range r.Of(pod) {
		f.Abort()
	}
}

// Close ends all flows and takes no more.
func (r *Registry) Close() {
	r.mu.Lock()
	r.closed = true
	pods := make([]netip.Addr, 0, len(r.byPod))
	for pod := range r.byPod {
		pods = append(pods, pod)
	}
	r.mu.Unlock()
	for _, pod := range pods {
		r.Abort(pod)
	}
}
