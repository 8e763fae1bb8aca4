package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/peapod/peapod/rootless/api"
)

// withTerminal runs a command that is to have a terminal: ours becomes raw for that time, so that every key, Ctrl-C too, goes to the
// command, and the other one follows its size. Without -t, or where our input is no terminal, it only runs the command.
func (a *app) withTerminal(
	ctx context.Context, streams *api.Streams, o *sessionOptions, run func(context.Context) (int, error),
) (code int, err error) {
	if !o.tty || !o.stdin {
		return run(ctx)
	}
	file, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		if !o.quiet {
			fmt.Fprintln(a.err, "Unable to use a TTY - input is not a terminal or the right kind of file")
		}
		return run(ctx)
	}
	// A signal that would end us must not leave the terminal raw.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	old, err := term.MakeRaw(int(file.Fd()))
	if err != nil {
		return 0, fmt.Errorf("make the terminal raw: %w", err)
	}
	defer func() {
		if restoreErr := term.Restore(int(file.Fd()), old); err == nil && restoreErr != nil {
			err = fmt.Errorf("restore the terminal: %w", restoreErr)
		}
	}()
	sizes, end := followSize(int(file.Fd()))
	defer end()
	streams.TTY, streams.Resize, streams.Stderr = true, sizes, nil
	if len(o.detach) > 0 {
		streams.Stdin = &detacher{in: file, keys: o.detach}
	}
	return run(ctx)
}

// followSize sends the terminal's size now and whenever it changes. Only the newest one waits to be taken.
func followSize(fd int) (sizes <-chan api.TerminalSize, end func()) {
	changed := make(chan os.Signal, 1)
	changed <- syscall.SIGWINCH // before Notify, which could fill the place
	signal.Notify(changed, syscall.SIGWINCH)
	out := make(chan api.TerminalSize, 1)
	done := make(chan struct{})
	go func() {
		defer close(out)
		for {
			select {
			case <-changed:
			case <-done:
				return
			}
			width, height, err := term.GetSize(fd)
			if err != nil {
				continue
			}
			select {
			case <-out:
			default:
			}
			out <- api.TerminalSize{Width: uint16(width), Height: uint16(height)} //nolint:gosec // the kernel's own are 16 bits wide
		}
	}()
	return out, func() {
		signal.Stop(changed)
		close(done)
	}
}
