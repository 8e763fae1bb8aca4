package gvisor

import (
	"net/netip"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// attempts are the connections that Pods have asked for and that are not there yet. Of each SYN the first eight bytes are kept, for the message
// that quotes them.
type attempts struct {
	max, maxPod int

	mu    sync.Mutex
	byID  map[stack.TransportEndpointID]uint64
	byPod map[netip.Addr]int
}

func newAttempts(limit, limitPod int) *attempts {
	return &attempts{max: limit, maxPod: limitPod, byID: map[stack.TransportEndpointID]uint64{}, byPod: map[netip.Addr]int{}}
}

// add tells whether this is a new attempt, for which there is room. If so, remove must follow.
func (a *attempts) add(id stack.TransportEndpointID, syn uint64) bool {
	pod := addressOf(id.RemoteAddress)
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, again := a.byID[id]; again || len(a.byID) >= a.max || a.byPod[pod] >= a.maxPod {
		return false
	}
	a.byID[id] = syn
	a.byPod[pod]++
	return true
}

func (a *attempts) syn(id stack.TransportEndpointID) uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.byID[id]
}

func (a *attempts) remove(id stack.TransportEndpointID) {
	pod := addressOf(id.RemoteAddress)
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.byID[id]; !ok {
		return
	}
	delete(a.byID, id)
	if a.byPod[pod]--; a.byPod[pod] == 0 {
		delete(a.byPod, pod)
	}
}
