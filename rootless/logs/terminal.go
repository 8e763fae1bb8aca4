package logs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Pump moves what a terminal shows to a FIFO, from which Copy takes it, until the terminal has no other end any more, the context
// ends or a file is closed. master and fifo are non-blocking and known to Go's poller; they stay the caller's.
//
// The bytes go from kernel to kernel (splice(2)), so none are in the hands of a process that may be killed.
func Pump(ctx context.Context, master, fifo *os.File) error {
	return (&pump{}).run(ctx, master, fifo)
}

func (p *pump) run(ctx context.Context, master, fifo *os.File) error {
	from, err := master.SyscallConn()
	if err != nil {
		return err
	}
	to, err := fifo.SyscallConn()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() {
		past := time.Unix(1, 0)
		master.SetReadDeadline(past)
		fifo.SetWriteDeadline(past)
	})
	defer stop()
	for {
		var full bool
		// One attempt for each call, so that a container that writes without end does not hinder an end of ours.
		err := p.both(from, to, func(master, fifo int) (waits bool, err error) {
			full, err = p.move(master, fifo)
			return err == syscall.EAGAIN && !full, err
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == syscall.EAGAIN: // the FIFO is full, until Copy has taken something out
			if err := to.Write(func(fd uintptr) bool { return writable(int(fd)) }); err != nil {
				return ignoreClosed(err, fifo)
			}
		case err == syscall.EIO, err == errEnd:
			return nil
		case err != nil:
			return ignoreClosed(fmt.Errorf("read the terminal: %w", err), master)
		}
	}
}

// errEnd means that the terminal has hung up.
var errEnd = errors.New("end of the terminal")

type pump struct {
	byHand bool // the kernel cannot splice from terminals
	buffer []byte
}

// both calls f with both descriptors, again when master may be read if f waits for that.
func (p *pump) both(from, to syscall.RawConn, f func(master, fifo int) (waits bool, err error)) (err error) {
	failure := from.Read(func(master uintptr) (done bool) {
		var waits bool
		if writeErr := to.Control(func(fifo uintptr) { waits, err = f(int(master), int(fifo)) }); writeErr != nil {
			err = writeErr
			return true
		}
		return !waits
	})
	if failure != nil {
		return failure
	}
	return err
}

// move moves once. With EAGAIN it says which of the two is not ready.
func (p *pump) move(master, fifo int) (full bool, err error) {
	if !writable(fifo) {
		return true, syscall.EAGAIN
	}
	if p.byHand {
		return false, p.copy(master, fifo)
	}
	n, err := retry(func() (int, error) {
		n, err := unix.Splice(master, nil, fifo, nil, window, unix.SPLICE_F_NONBLOCK)
		return int(n), err
	})
	switch {
	case err == syscall.EINVAL: // Linux 5.10
		p.byHand = true
		return false, nil
	case err == nil && n == 0:
		err = errEnd
	}
	return false, err
}

// copy is move without splice. It moves no more than a pipe takes at one go if it is writable.
func (p *pump) copy(master, fifo int) error {
	if p.buffer == nil {
		p.buffer = make([]byte, unix.PathMax) // PIPE_BUF, which has the same value
	}
	n, err := retry(func() (int, error) { return unix.Read(master, p.buffer) })
	if err != nil {
		return err
	}
	if n == 0 {
		return errEnd
	}
	_, err = retry(func() (int, error) { return unix.Write(fifo, p.buffer[:n]) })
	return err
}

func writable(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	_, err := retry(func() (int, error) { return unix.Poll(p, 0) })
	return err != nil || p[0].Revents != 0
}

// ignoreClosed leaves out the error of a file that was closed meanwhile.
func ignoreClosed(err error, f *os.File) error {
	if closed(f) {
		return nil
	}
	return err
}
