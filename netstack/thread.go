package netstack

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

var errThreadGone = errors.New("hub is closed")

// A thread is an OS thread that lives in a network namespace. It ends with close, and never serves another goroutine: the
// runtime destroys the thread of a goroutine that ends while locked to it.
type thread struct {
	home *os.File
	jobs chan job
	quit chan struct{}
	gone chan struct{}
}

type job struct {
	run  func() error
	done chan error
}

// startThread starts a thread in the namespace that home refers to. The file must stay open until close.
func startThread(home *os.File) (*thread, error) {
	t := &thread{home: home, jobs: make(chan job), quit: make(chan struct{}), gone: make(chan struct{})}
	ready := make(chan error, 1)
	go t.settle(ready, make(chan struct{}))
	if err := <-ready; err != nil {
		<-t.gone
		return nil, err
	}
	return t, nil
}

// settle finds an OS thread to live on and closes settled when it has one. The process's main thread is not taken:
// /proc/<pid> shows that one, and it cannot be destroyed.
func (t *thread) settle(ready chan<- error, settled chan struct{}) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// As long as this goroutine holds the main thread, the next one must land elsewhere.
		next := make(chan struct{})
		go t.settle(ready, next)
		<-next
		runtime.UnlockOSThread()
		return
	}
	close(settled)
	defer close(t.gone)
	if err := enter(t.home); err != nil {
		ready <- err
		return
	}
	ready <- nil
	t.serve()
}

func (t *thread) serve() {
	for {
		select {
		case j := <-t.jobs:
			err := j.run()
			j.done <- err
			if errors.Is(err, errThreadGone) {
				return
			}
		case <-t.quit:
			return
		}
	}
}

// do runs f on the thread and returns its error. f must not block for long: everybody waits for this thread.
func (t *thread) do(f func() error) error {
	j := job{run: f, done: make(chan error, 1)}
	select {
	case t.jobs <- j:
		return <-j.done
	case <-t.gone:
		return errThreadGone
	}
}

// visit runs f on the thread while it is in another network namespace.
func (t *thread) visit(ns *os.File, f func() error) error {
	return t.do(func() error {
		if err := enter(ns); err != nil {
			return err
		}
		err := f()
		if back := enter(t.home); back != nil {
			return fmt.Errorf("%w: return to it: %w", errThreadGone, back)
		}
		return err
	})
}

// close ends the thread and waits for that. It must be called once.
func (t *thread) close() {
	close(t.quit)
	<-t.gone
}

// enter needs CAP_SYS_ADMIN in the user namespace that owns ns and in the caller's own: setns(2).
func enter(ns *os.File) error {
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network namespace: %s: %w", ns.Name(), err)
	}
	return nil
}
