package oci

import (
	"errors"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/container"
	"github.com/peapod/peapod/rootless/state"
)

// Run is create and start in one, and unless detach is set waits for the end and deletes the container. The code is the init's exit code,
// 128+n if signal n ended it.
func (r *Runtime) Run(o CreateOptions, detach bool) (code int, err error) {
	l, err := r.newLaunch(o)
	if err != nil {
		return 0, err
	}
	var c *console
	if l.spec.Process.Terminal && o.ConsoleSocket == "" {
		if detach {
			return 0, errors.New("process.terminal: run --detach needs --console-socket to hand the terminal over")
		}
		if c, l.files[container.ConsoleFD], err = newConsole(); err != nil {
			return 0, err
		}
		defer c.close()
	}
	unlock, err := r.reserve(o.ID)
	if err != nil {
		return 0, err
	}
	signals, stop := catch(detach)
	defer stop()
	if err = l.launch(); err == nil {
		err = r.started(l.record)
	}
	unlock()
	if err != nil {
		return 0, errors.Join(err, l.record.endIfAny(), os.RemoveAll(r.dir(o.ID)))
	}
	if detach {
		return 0, nil
	}
	if c != nil {
		if err := c.attach(); err != nil {
			return 0, errors.Join(err, r.Delete(o.ID, true))
		}
	}
	exit, err := waitFor(l.record.Process, signals)
	if c != nil {
		c.drain()
	}
	return exit.Code, errors.Join(err, r.Delete(o.ID, true))
}

func (c *record) endIfAny() error {
	if c.Process.Pid == 0 {
		return nil
	}
	err := c.end()
	_, _ = unix.Wait4(c.Process.Pid, nil, 0, nil)
	return err
}

// catch receives all signals that are to be passed on to a process that is waited for.
func catch(not bool) (signals chan os.Signal, stop func()) {
	signals = make(chan os.Signal, 16)
	if not {
		return signals, func() {}
	}
	signal.Notify(signals)
	return signals, func() { signal.Stop(signals) }
}

// waitFor waits for a child and passes signals on to it.
func waitFor(p state.Process, signals <-chan os.Signal) (container.Exit, error) {
	pidfd, err := p.Open()
	if err != nil {
		return container.Exit{}, err
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case s := <-signals:
				switch s {
				case unix.SIGCHLD, unix.SIGURG, unix.SIGPIPE, unix.SIGWINCH: // ours
				default:
					if n, ok := s.(syscall.Signal); ok {
						_ = (&record{Process: p}).signal(n) // it may have ended
					}
				}
			case <-done:
				return
			}
		}
	}()
	return container.Wait(p, pidfd), nil
}
