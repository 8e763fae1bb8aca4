package node

import (
	"sync"

	"github.com/peapod/peapod/rootless/lifecycle"
)

// mailbox is a queue of events without a bound: posting never blocks, so whoever holds a lock may post. What is in it is bounded by the
// work under way, as every event answers an action or an API call.
type mailbox struct {
	mu     sync.Mutex
	events []lifecycle.Event
	wake   chan struct{}
}

func newMailbox() *mailbox { return &mailbox{wake: make(chan struct{}, 1)} }

func (m *mailbox) post(events ...lifecycle.Event) {
	m.mu.Lock()
	m.events = append(m.events, events...)
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// take returns the next event, or false when stop is closed.
func (m *mailbox) take(stop <-chan struct{}) (lifecycle.Event, bool) {
	for {
		m.mu.Lock()
		if len(m.events) > 0 {
			e := m.events[0]
			m.events = m.events[1:]
			m.mu.Unlock()
			return e, true
		}
		m.events = nil
		m.mu.Unlock()
		select {
		case <-m.wake:
		case <-stop:
			return nil, false
		}
	}
}
