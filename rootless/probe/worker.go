package probe

import (
	"context"
	"sync"
	"time"
)

// Outcome is how a check went.
type Outcome struct {
	Good bool
	Text string // for the user, if there is something to say: why it is bad, or good with a warning
	Err  error  // the check came to nothing; the rest is zero
}

// Config says what a worker does. The numbers are those of a probe in a manifest.
type Config struct {
	Delay, Period      time.Duration // the first check comes after Delay
	Successes, Limit   int           // so many good or bad outcomes in a row make a verdict; at least 1
	Eager              bool          // see the package comment
	UntilFailure, Once bool          // it ends with its first verdict of failure; with its first verdict
	Success            bool          // the verdict up to now

	Check func(ctx context.Context) Outcome
	// Tell is given every outcome that is not good or has a text, but for early ones. Changed is given each new verdict, and with Once the first even
	// if it is not new. Neither is called after Stop has returned, and they must not call it.
	Tell    func(Outcome)
	Changed func(success bool)
}

// Worker checks one thing again and again.
type Worker struct {
	config Config
	count  count
	cancel context.CancelFunc
	ctx    context.Context

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
	early   time.Duration // until the next early check; 0: no more of them
	counted time.Time     // when the first check that counts in any case is due
}

const firstEarly = 100 * time.Millisecond

// Start begins to check.
func Start(c Config) *Worker {
	w := &Worker{config: c, count: count{successes: c.Successes, limit: c.Limit}}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.Eager {
		w.early, w.counted = firstEarly, time.Now().Add(c.Delay+c.Period)
	}
	w.timer = time.AfterFunc(c.Delay, w.check)
	return w
}

// Stop ends the worker. A check that is under way is given up.
func (w *Worker) Stop() {
	w.cancel()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	w.timer.Stop()
}

// check runs once for each time that the timer fires, never twice at a time.
func (w *Worker) check() {
	began := time.Now()
	outcome := w.config.Check(w.ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	if wait := w.again(outcome); wait > 0 {
		w.timer.Reset(wait)
		return
	}
	w.early = 0
	if !outcome.Good || outcome.Text != "" {
		w.config.Tell(outcome)
	}
	if w.settle(outcome) {
		w.stopped = true
		w.cancel()
		return
	}
	w.timer.Reset(max(0, w.config.Period-time.Since(began)))
}

// again says how long to wait if the outcome is that of an early check that counts for nothing.
func (w *Worker) again(o Outcome) time.Duration {
	if w.early == 0 || o.Err == nil && o.Good {
		return 0
	}
	left := time.Until(w.counted)
	if left <= 0 {
		return 0
	}
	wait := min(w.early, left)
	w.early *= 2
	return wait
}

// settle counts an outcome and tells of a new verdict. It says whether that was the last.
func (w *Worker) settle(o Outcome) (done bool) {
	if o.Err != nil {
		return false
	}
	verdict, ok := w.count.add(o.Good)
	if !ok {
		return false
	}
	if verdict != w.config.Success || w.config.Once {
		w.config.Success = verdict
		w.config.Changed(verdict)
	}
	return w.config.Once || w.config.UntilFailure && !verdict
}

// count turns outcomes into verdicts.
type count struct {
	successes, limit int // from which run of equal outcomes on
	last             bool
	run              int
}

// add counts an outcome; ok says whether it and those just before it make a verdict.
func (c *count) add(good bool) (verdict, ok bool) {
	if good != c.last {
		c.run = 0
	}
	c.last = good
	c.run++
	if good {
		return true, c.run >= c.successes
	}
	return false, c.run >= c.limit
}
