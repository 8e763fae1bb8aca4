package logs

import (
	"context"
	"sync"
)

// A Tap lets listeners have what is copied to a log, from the moment they begin to listen. A listener that is too slow loses
// output: neither the log nor the container ever waits for one.
type Tap struct {
	mu        sync.Mutex
	listeners map[*Listener]struct{}
	closed    bool
}

// maxHeard bounds what waits for a listener, in bytes.
const maxHeard = 256 << 10

// Listen begins to listen. Close ends it.
func (t *Tap) Listen() *Listener {
	l := &Listener{tap: t, more: make(chan struct{}, 1)}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.listeners == nil {
		t.listeners = map[*Listener]struct{}{}
	}
	t.listeners[l] = struct{}{}
	l.ended = t.closed
	return l
}

// put gives a batch to all listeners.
func (t *Tap) put(stream string, raw []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for l := range t.listeners {
		l.put(stream, raw)
	}
}

// close tells the listeners that no more will come.
func (t *Tap) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for l := range t.listeners {
		l.ended = true
		signal(l.more)
	}
}

// A Listener has what came since its last look.
type Listener struct {
	tap  *Tap
	more chan struct{}

	// Below: under the lock of the tap.
	heard []Heard
	bytes int
	lost  int
	ended bool
}

// Heard is output of one stream. Before it, Lost bytes were dropped.
type Heard struct {
	Stream string
	Bytes  []byte
	Lost   int
}

func (l *Listener) put(stream string, raw []byte) {
	if l.bytes+len(raw) > maxHeard {
		l.lost += len(raw)
		signal(l.more)
		return
	}
	last := len(l.heard) - 1
	if last >= 0 && l.lost == 0 && l.heard[last].Stream == stream {
		l.heard[last].Bytes = append(l.heard[last].Bytes, raw...)
	} else {
		l.heard = append(l.heard, Heard{stream, append([]byte(nil), raw...), l.lost})
		l.lost = 0
	}
	l.bytes += len(raw)
	signal(l.more)
}

// Next waits for output. It returns nothing when there will be no more, or when the context ends.
func (l *Listener) Next(ctx context.Context) []Heard {
	for {
		heard, ended := l.take()
		if len(heard) > 0 || ended {
			return heard
		}
		select {
		case <-l.more:
		case <-ctx.Done():
			return nil
		}
	}
}

func (l *Listener) take() (heard []Heard, ended bool) {
	l.tap.mu.Lock()
	defer l.tap.mu.Unlock()
	heard, l.heard, l.bytes = l.heard, nil, 0
	if l.lost > 0 && len(heard) == 0 {
		heard, l.lost = []Heard{{Lost: l.lost}}, 0
	}
	return heard, l.ended
}

// Close ends listening.
func (l *Listener) Close() {
	l.tap.mu.Lock()
	defer l.tap.mu.Unlock()
	delete(l.tap.listeners, l)
	l.heard = nil
}
