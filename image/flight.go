package image

import (
	"context"
	"sync"
)

// flights lets calls for the same thing that overlap share the work: the first starts it, the others join. The work ends
// early when the last of them has given up.
type flights struct {
	mu      sync.Mutex
	byKey   map[string]*flight
	working sync.WaitGroup
	stopped bool
}

// flight is one piece of work under way.
type flight struct {
	cancel context.CancelFunc
	done   chan struct{} // closed after image and err are set
	image  *Image
	err    error

	mu      sync.Mutex
	waiting int
	reports map[int]func(Progress)
	next    int
}

// do runs work, or joins the run of another call with the same key, and returns its result. When ctx ends first, it
// returns ctx's error: at once if others still wait, otherwise after the work has stopped and cleaned up.
func (f *flights) do(ctx context.Context, key string, report func(Progress),
	work func(context.Context, func(Progress)) (*Image, error)) (*Image, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	one, leave := f.join(key, report, work)
	if one == nil {
		return nil, context.Canceled
	}
	select {
	case <-one.done:
		leave()
		return one.image, one.err
	case <-ctx.Done():
		if last := leave(); last {
			<-one.done
		}
		return nil, ctx.Err()
	}
}

// join returns the flight for key and what to call once when no longer interested: that reports whether nobody else was
// left, in which case the work has been told to stop and later calls start a new one. nil after stop.
func (f *flights) join(key string, report func(Progress),
	work func(context.Context, func(Progress)) (*Image, error)) (*flight, func() bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopped {
		return nil, nil
	}
	one := f.byKey[key]
	if one == nil {
		one = f.start(key, work)
	}
	seat := one.enter(report)
	return one, func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		if !one.exit(seat) {
			return false
		}
		one.cancel()
		f.forget(key, one)
		return true
	}
}

// start begins the work in its own goroutine. Precondition: f.mu is held.
func (f *flights) start(key string, work func(context.Context, func(Progress)) (*Image, error)) *flight {
	ctx, cancel := context.WithCancel(context.Background())
	one := &flight{cancel: cancel, done: make(chan struct{}), reports: map[int]func(Progress){}}
	if f.byKey == nil {
		f.byKey = map[string]*flight{}
	}
	f.byKey[key] = one
	f.working.Go(func() {
		defer cancel()
		one.image, one.err = work(ctx, one.report)
		f.mu.Lock()
		f.forget(key, one)
		f.mu.Unlock()
		close(one.done)
	})
	return one
}

// forget makes the next call for key start anew. Precondition: f.mu is held.
func (f *flights) forget(key string, one *flight) {
	if f.byKey[key] == one {
		delete(f.byKey, key)
	}
}

// stop ends all work, waits for it, and lets no new one start.
func (f *flights) stop() {
	f.mu.Lock()
	f.stopped = true
	for _, one := range f.byKey {
		one.cancel()
	}
	f.mu.Unlock()
	f.working.Wait()
}

func (one *flight) enter(report func(Progress)) int {
	one.mu.Lock()
	defer one.mu.Unlock()
	one.waiting++
	one.next++
	if report != nil {
		one.reports[one.next] = report
	}
	return one.next
}

// exit gives up a seat and reports whether it was the last one.
func (one *flight) exit(seat int) bool {
	one.mu.Lock()
	defer one.mu.Unlock()
	one.waiting--
	delete(one.reports, seat)
	return one.waiting == 0
}

func (one *flight) report(p Progress) {
	one.mu.Lock()
	defer one.mu.Unlock()
	for _, report := range one.reports {
		report(p)
	}
}
