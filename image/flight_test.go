package image

import (
	"context"
	"errors"
	"testing"
	"time"
)

// waiting returns how many calls wait for key.
func (f *flights) waiting(key string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	one := f.byKey[key]
	if one == nil {
		return 0
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	return one.waiting
}

func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for range 1000 {
		if condition() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("waited in vain for %s", what)
}

func TestFlightOutlivesFirstCaller(t *testing.T) {
	var f flights
	release := make(chan struct{})
	work := func(ctx context.Context, _ func(Progress)) (*Image, error) {
		select {
		case <-release:
			return &Image{ID: "x"}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	first, giveUp := context.WithCancel(t.Context())
	gone, stays := make(chan error), make(chan error)
	go func() { _, err := f.do(first, "k", nil, work); gone <- err }()
	go func() { _, err := f.do(t.Context(), "k", nil, work); stays <- err }()
	waitFor(t, "both callers", func() bool { return f.waiting("k") == 2 })
	giveUp()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up got %v", err)
	}
	close(release)
	if err := <-stays; err != nil {
		t.Errorf("who stayed got %v", err)
	}
}

func TestFlightEndsWithLastCaller(t *testing.T) {
	var f flights
	ended := false
	ctx, cancel := context.WithCancel(t.Context())
	_, err := f.do(ctx, "k", nil, func(ctx context.Context, _ func(Progress)) (*Image, error) {
		cancel()
		<-ctx.Done()
		ended = true
		return nil, ctx.Err()
	})
	if !errors.Is(err, context.Canceled) || !ended {
		t.Errorf("%v, work ended: %v; want it to have cleaned up by then", err, ended)
	}
	if _, err := f.do(t.Context(), "k", nil, func(context.Context, func(Progress)) (*Image, error) { return nil, nil }); err != nil {
		t.Errorf("a later call: %v", err)
	}
}

func TestFlightsStop(t *testing.T) {
	var f flights
	result := make(chan error)
	go func() {
		_, err := f.do(t.Context(), "k", nil, func(ctx context.Context, _ func(Progress)) (*Image, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		result <- err
	}()
	waitFor(t, "the caller", func() bool { return f.waiting("k") == 1 })
	f.stop()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("stopped work: %v", err)
	}
	if _, err := f.do(t.Context(), "k", nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("after stop: %v", err)
	}
}
