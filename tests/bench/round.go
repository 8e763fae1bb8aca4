package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// What is timed, in the order it is printed.
var measures = []string{"apply: command returns", "apply: containers run", "apply: nginx answers", "exec true", "delete"}

// execsPerRound, as one costs little.
const execsPerRound = 3

// round does everything once with one engine. On an error nothing of it stays.
func (e *engine) round(ctx context.Context, w *watcher, results map[string]*samples) (err error) {
	path, err := e.manifest(timedPod)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.run(context.WithoutCancel(ctx), e.delete(path)...))
		}
	}()
	keep := func(measure string, d time.Duration) { keepSample(results, measure, e.name, d) }
	if err := e.applied(ctx, w, path, keep); err != nil {
		return err
	}
	if err := e.awaitExec(ctx); err != nil {
		return err
	}
	for range execsPerRound {
		d, err := e.timed(ctx, e.execTrue(timedPod)...)
		if err != nil {
			return err
		}
		keep("exec true", d)
	}
	d, err := e.timed(ctx, e.delete(path)...)
	if err == nil {
		keep("delete", d)
	}
	return err
}

// awaitExec waits until the engine executes commands: a process may be seen before the engine has noted that it runs.
func (e *engine) awaitExec(ctx context.Context) (err error) {
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		if err = e.run(ctx, e.execTrue(timedPod)...); err == nil {
			return nil
		}
	}
	return err
}

// applied starts the Pod and waits until all of it has been seen.
func (e *engine) applied(ctx context.Context, w *watcher, path string, keep func(string, time.Duration)) error {
	before, err := w.all()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, errors.New("the containers did not start within 30 s"))
	defer cancel()
	args := e.apply(path)
	cmd, output := e.command(ctx, args...)
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	returned := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		keep("apply: command returns", time.Since(began))
		if err = e.explain(ctx, args, err, output); err != nil {
			cancel()
		}
		returned <- err
	}()
	type page struct {
		at  time.Time
		err error
	}
	pages := make(chan page, 1)
	asked := false
	var running time.Time
	err = w.started(ctx, before, func(_ string, pid int, at time.Time) {
		running = at
		if e.prober == nil || asked {
			return
		}
		asked = true
		go func() {
			at, err := e.prober.answered(pid)
			pages <- page{at, err}
		}()
	})
	if commandErr := <-returned; commandErr != nil || err != nil {
		return errors.Join(commandErr, err)
	}
	keep("apply: containers run", running.Sub(began))
	if !asked {
		return e.firstRound(w, before)
	}
	p := <-pages
	keep("apply: nginx answers", p.at.Sub(began))
	return p.err
}

// firstRound starts the prober and tries it on the Pod that runs: in the next rounds nginx must answer.
func (e *engine) firstRound(w *watcher, before map[string]bool) error {
	pids, err := w.all()
	if err != nil {
		return err
	}
	for pid := range pids {
		var n int
		if before[pid] || workload(arguments(pid)) != "nginx" || !first(pid) {
			continue
		}
		if _, err := fmt.Sscan(pid, &n); err != nil {
			return err
		}
		if e.prober, err = startProber(n); err != nil {
			return err
		}
		_, err = e.prober.answered(n)
		return err
	}
	return errors.New("nginx has ended at once")
}
