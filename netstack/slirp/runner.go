package slirp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Config is what a Runner needs.
type Config struct {
	Program Program
	Netns   *os.File // where the tap device is to be; stays the caller's, who keeps it open
	Device  string   // its name
	MTU     int
	// SetUp waits until the device is there and sets it up, after each start. The context ends when the program does.
	SetUp func(context.Context) error
	Log   *slog.Logger
}

// A Runner keeps a program running.
type Runner struct {
	cfg    Config
	args   []string
	cancel context.CancelFunc
	gone   chan struct{}
}

// After a program has ended by itself, the next start waits: at first so long, then twice as long each time, up to the last. One that ran longer than
// that counts as a new first.
const (
	firstPause = time.Second
	lastPause  = 30 * time.Second
)

// Start returns when the program runs and its device is set up, or could not be: then nothing is left of it. For errors.ErrUnsupported see Check.
func Start(cfg Config) (*Runner, error) {
	if err := cfg.Program.Check(); err != nil {
		return nil, err
	}
	args, err := cfg.Program.arguments(cfg.Program, "/proc/self/fd/0", cfg.Device, cfg.MTU)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Runner{cfg: cfg, args: args, cancel: cancel, gone: make(chan struct{})}
	outcome := make(chan error, 1)
	go r.serve(ctx, outcome)
	if err := <-outcome; err != nil {
		_ = r.Close()
		return nil, err
	}
	return r, nil
}

// Close ends the program, and with it the device. Close may be called again.
func (r *Runner) Close() error {
	r.cancel()
	<-r.gone
	return nil
}

// serve tells how the first start went. It stays on one thread: the program dies with it.
func (r *Runner) serve(ctx context.Context, outcome chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(r.gone)
	started := false
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		began := time.Now()
		err := r.run(ctx, func() {
			if !started {
				started = true
				outcome <- nil
			}
		})
		if !started {
			outcome <- err
			return
		}
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > lastPause {
			pause = firstPause
		}
		r.cfg.Log.Error("what carries connections of pods to the outside has ended, and they with it; it is started again", "error", err, "after", pause)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// run runs the program once. Its end is always an error; ready is called before if its device could be set up.
func (r *Runner) run(ctx context.Context, ready func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	said := &tail{log: r.cfg.Log, program: r.cfg.Program.Name}
	cmd := exec.CommandContext(ctx, r.cfg.Program.Name, r.args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = r.cfg.Netns, said, said
	cmd.WaitDelay = time.Second
	// A group of its own: an interrupt from the terminal is for the node to act on.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	setUp := make(chan error)
	go func() {
		err := r.cfg.SetUp(ctx)
		if err != nil {
			cancel() // without its device the program is of no use
		}
		setUp <- err
	}()
	ended := make(chan error, 1)
	go func() {
		ended <- cmd.Wait()
		cancel()
	}()
	if err := <-setUp; err == nil {
		ready()
	} else if !errors.Is(err, context.Canceled) {
		_ = <-ended // it was killed
		return err
	}
	return fmt.Errorf("%s has ended: %w%s", r.cfg.Program.Name, explainEnd(<-ended), said)
}

// explainEnd: to end is a failure here, whatever the status.
func explainEnd(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}
