package container

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Terminal opens a new pseudo terminal of a running container's own devpts, so that it has a name in there. Both ends are
// the caller's to close; the slave goes to the command.
func (r *Runtime) Terminal(c *Container, uid uint32) (master, slave *os.File, err error) {
	root, err := unix.Open(fmt.Sprintf("/proc/%d/root", c.Process.Pid), pathFlags|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open the container's root: %w", err)
	}
	defer unix.Close(root)
	if !c.Process.Alive() { // else the folder may be another process's
		return nil, nil, ErrNotRunning
	}
	fd, err := openMaster(root)
	if err != nil {
		return nil, nil, &os.PathError{Op: "open a terminal at", Path: "/dev/pts/ptmx", Err: err}
	}
	peer, err := openPeer(fd)
	if err != nil {
		unix.Close(fd)
		return nil, nil, err
	}
	slave = os.NewFile(uintptr(peer), "terminal")
	// Non-blocking before NewFile, so that reads wait in Go's poller and not in a thread.
	err = errors.Join(unix.SetNonblock(fd, true), slave.Chown(r.owner(uid), -1))
	master = os.NewFile(uintptr(fd), "terminal")
	if err != nil {
		master.Close()
		slave.Close()
		return nil, nil, err
	}
	return master, slave, nil
}

// openMaster opens /dev/pts/ptmx below root. The container may have put anything there, so the descriptor is checked before it
// is opened for real: it must be device 5:2 on a devpts (CVE-2025-52565).
func openMaster(root int) (int, error) {
	fd, err := unix.Openat2(root, "dev/pts/ptmx", &unix.OpenHow{Flags: pathFlags | unix.O_NOFOLLOW, Resolve: inRoot | unix.RESOLVE_NO_SYMLINKS})
	if err != nil {
		return -1, err
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	var fs unix.Statfs_t
	if err := errors.Join(unix.Fstat(fd, &stat), unix.Fstatfs(fd, &fs)); err != nil {
		return -1, err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFCHR || stat.Rdev != unix.Mkdev(5, 2) || fs.Type != unix.DEVPTS_SUPER_MAGIC {
		return -1, errors.New("not the terminal multiplexer")
	}
	// This /proc is the node's own, and the link leads to the descriptor that was checked.
	return unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
}

// openPeer unlocks a terminal and opens its other end without its name, which the container could have made to mean
// something else (ioctl_tty(2), TIOCGPTPEER).
func openPeer(master int) (int, error) {
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return -1, os.NewSyscallError("unlock the terminal", err)
	}
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return -1, os.NewSyscallError("open the terminal's other end", errno)
	}
	return int(fd), nil
}
