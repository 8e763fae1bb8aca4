package container

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Where a Pod's containers share the pause's process namespace, or are in another's or the host's, the end of a container's first process ends nothing
// else: the kernel kills the rest of a pid namespace only with its own first process. A container's processes are then known
// by their root, an overlay that each container has of its own, and whose device number nobody gets while it is held open. A
// process that has changed its root into another file system is not found; it ends with the Pod.

// hold keeps a container's root until KillRemains, if it has no process namespace of its own.
func (c *Container) hold(root int, spec *specs.Spec) error {
	if ownsProcesses(spec) {
		return nil
	}
	fd, err := unix.FcntlInt(uintptr(root), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	c.root = os.NewFile(uintptr(fd), "root of "+c.ID)
	return nil
}

// Adopt prepares a running container that another node has started for KillRemains.
func (r *Runtime) Adopt(c *Container) error {
	_, spec, err := r.Load(c.ID)
	if err != nil || ownsProcesses(spec) {
		return err
	}
	path := fmt.Sprintf("/proc/%d/root", c.Process.Pid)
	root, err := unix.Open(path, pathFlags|unix.O_DIRECTORY, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(root)
	if !c.Process.Alive() { // else the folder may be another process's
		return ErrNotRunning
	}
	return c.hold(root, spec)
}

// KillRemains kills what is left of a container whose first process has ended. Where that had a process namespace of its own there is nothing.
func (r *Runtime) KillRemains(c *Container) error {
	if c.root == nil {
		return nil
	}
	defer c.root.Close()
	var root unix.Stat_t
	if err := unix.Fstat(int(c.root.Fd()), &root); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	// A process may fork between being seen and being killed, so it takes another look after each that found something.
	for range 100 {
		killed, err := killIn(root.Dev)
		if err != nil || killed == 0 {
			return err
		}
	}
	return errors.New("processes of the container multiply faster than they are killed")
}

// killIn kills every process whose root is on a device and returns how many there were.
func killIn(device uint64) (killed int, err error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return 0, err
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		pidfd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue // it has ended
		}
		// Looked at while the descriptor holds it, so the number has not become somebody else's. A zombie has no root, and
		// those of others' processes may not be read.
		var root unix.Stat_t
		if unix.Stat("/proc/"+name+"/root", &root) == nil && root.Dev == device {
			if unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0) == nil {
				killed++
			}
		}
		unix.Close(pidfd)
	}
	return killed, nil
}
