package oci

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/container"
)

// ErrNotRunning means that a container has no process to act on.
var ErrNotRunning = container.ErrNotRunning

// Kill sends a signal to the init. all asks for all processes, which is the same for SIGKILL in a pid namespace of its own.
func (r *Runtime) Kill(id string, signal syscall.Signal, all bool) error {
	c, err := r.load(id)
	if err != nil {
		return err
	}
	if all && (signal != unix.SIGKILL || !makes(c.Spec, specs.PIDNamespace)) {
		return errors.New("kill --all: only KILL, and only in a container with a pid namespace of its own")
	}
	if status := r.status(c); status != specs.StateCreated && status != specs.StateRunning {
		return fmt.Errorf("%w: %s is %s", ErrNotRunning, id, status)
	}
	return c.signal(signal)
}

func (c *record) signal(signal syscall.Signal) error {
	pidfd, err := c.Process.Open()
	if errors.Is(err, unix.ESRCH) {
		return ErrNotRunning
	}
	if err != nil {
		return err
	}
	defer pidfd.Close()
	return os.NewSyscallError("pidfd_send_signal", unix.PidfdSendSignal(int(pidfd.Fd()), signal, nil, 0))
}

// ParseSignal reads a signal's number, or its name with or without SIG.
func ParseSignal(s string) (syscall.Signal, error) {
	const last = 64
	if n, err := strconv.Atoi(s); err == nil && n >= 0 && n <= last {
		return syscall.Signal(n), nil
	}
	name := "SIG" + strings.TrimPrefix(strings.ToUpper(s), "SIG")
	if n := unix.SignalNum(name); n != 0 {
		return n, nil
	}
	return 0, fmt.Errorf("unknown signal %q", s)
}

// Delete forgets a stopped container. With force one that is not is killed before, and one that does not exist is no error.
func (r *Runtime) Delete(id string, force bool) error {
	unlock, err := r.lock(id)
	if errors.Is(err, ErrNotExist) && force {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock()
	c, err := r.load(id)
	if errors.Is(err, ErrNotExist) { // create was killed before there was a record
		return os.RemoveAll(r.dir(id))
	}
	if err != nil {
		return err
	}
	if status := r.status(c); status != specs.StateStopped {
		if !force {
			return fmt.Errorf("cannot delete container %s that is not stopped: it is %s", id, status)
		}
		if err := c.end(); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(r.dir(id)); err != nil {
		return err
	}
	stopHooks(c)
	return nil
}

// end kills the init and waits until it is gone.
func (c *record) end() error {
	if err := c.Process.Kill(); err != nil {
		return err
	}
	pidfd, err := c.Process.Open()
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	defer pidfd.Close()
	const patience = 10 * time.Second
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		p := []unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}}
		if n, err := unix.Poll(p, int(patience.Milliseconds())); err == nil && n == 1 {
			return nil
		} else if err != nil && !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("poll", err)
		}
	}
	return fmt.Errorf("container %s does not end after SIGKILL; one of its system calls hangs", c.ID)
}
