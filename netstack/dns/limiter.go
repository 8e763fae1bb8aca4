package dns

import (
	"net/netip"
	"sync"
)

// A limiter counts what is going on, in all and for each client, and says no beyond its limits.
type limiter struct {
	max, maxClient int

	mu       sync.Mutex
	total    int
	byClient map[netip.Addr]int
}

func newLimiter(limit, limitClient int) *limiter {
	return &limiter{max: limit, maxClient: limitClient, byClient: map[netip.Addr]int{}}
}

// enter must be followed by leave if it returns true.
func (l *limiter) enter(client netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total >= l.max || l.byClient[client] >= l.maxClient {
		return false
	}
	l.total++
	l.byClient[client]++
	return true
}

func (l *limiter) leave(client netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if l.byClient[client]--; l.byClient[client] <= 0 {
		delete(l.byClient, client)
	}
}

var packets = sync.Pool{New: func() any { b := make([]byte, maxLen); return &b }}

func takePacket() *[]byte  { return packets.Get().(*[]byte) }
func givePacket(b *[]byte) { packets.Put(b) }
