package container

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/plan"
	"github.com/peapod/peapod/rootless/state"
)

// Terminal opens a new pseudo terminal of a running container's own devpts, so that it has a name in there. Both ends are
// the caller's to close; the slave goes to the command.
func (r *Runtime) Terminal(c *Container, uid uint32) (master, slave *os.File, err error) {
	if c.handler != nil {
		return hostTerminal()
	}
	fd, slave, err := openTerminal(c.Process)
	if err != nil {
		return nil, nil, err
	}
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

// OpenTerminal is Terminal for a process, whose user is not given the slave; the master blocks.
func OpenTerminal(process state.Process) (master, slave *os.File, err error) {
	fd, slave, err := openTerminal(process)
	if err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(fd), "terminal"), slave, nil
}

// openTerminal opens a terminal of the devpts in the root of a process.
func openTerminal(process state.Process) (master int, slave *os.File, err error) {
	root, err := unix.Open(fmt.Sprintf("/proc/%d/root", process.Pid), pathFlags|unix.O_DIRECTORY, 0)
	if err != nil {
		return -1, nil, fmt.Errorf("open the container's root: %w", err)
	}
	defer unix.Close(root)
	if !process.Alive() { // else the folder may be another process's
		return -1, nil, ErrNotRunning
	}
	master, err = openMaster(root)
	if err != nil {
		return -1, nil, &os.PathError{Op: "open a terminal at", Path: "/dev/pts/ptmx", Err: err}
	}
	peer, err := openPeer(master)
	if err != nil {
		unix.Close(master)
		return -1, nil, err
	}
	return master, os.NewFile(uintptr(peer), "terminal"), nil
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

// makeTerminal makes a devpts for a container and its first terminal. Made by the node and not by the Plan, because the master
// has to be in safe hands before the container runs.
func (r *Runtime) makeTerminal(spec *specs.Spec, uid int, in *inside, out *Streams) error {
	var err error
	if in.devpts, err = newDevpts(spec.Mounts); err != nil {
		return err
	}
	fd, err := unix.Openat(int(in.devpts.Fd()), "ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: "ptmx", Err: err}
	}
	out.Terminal = os.NewFile(uintptr(fd), "terminal")
	peer, err := openPeer(fd)
	if err != nil {
		return err
	}
	if err := in.all(os.NewFile(uintptr(peer), "terminal")); err != nil {
		return err
	}
	return in.stdio[0].Chown(uid, -1)
}

// all makes a terminal all three standard streams.
func (i *inside) all(terminal *os.File) error {
	i.stdio[0] = terminal
	for n := range i.stdio[1:] {
		fd, err := unix.FcntlInt(terminal.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return os.NewSyscallError("fcntl", err)
		}
		i.stdio[n+1] = os.NewFile(uintptr(fd), "terminal")
	}
	return nil
}

const ptsFolder = "/dev/pts"

// newDevpts mounts the specification's devpts, detached.
func newDevpts(mounts []specs.Mount) (*os.File, error) {
	i := slices.IndexFunc(mounts, func(m specs.Mount) bool { return m.Type == "devpts" && m.Destination == ptsFolder })
	if i < 0 {
		return nil, errors.New("no devpts on " + ptsFolder)
	}
	attr, data := splitOptions(mounts[i].Options)
	fs, err := unix.Fsopen("devpts", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("fsopen devpts", err)
	}
	defer unix.Close(fs)
	for _, option := range data {
		key, value, _ := strings.Cut(option, "=")
		if err := unix.FsconfigSetString(fs, key, value); err != nil {
			return nil, os.NewSyscallError("devpts "+option, contextError(fs, err))
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return nil, os.NewSyscallError("mount devpts", contextError(fs, err))
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, int(attr))
	if err != nil {
		return nil, os.NewSyscallError("fsmount devpts", err)
	}
	return os.NewFile(uintptr(fd), ptsFolder), nil
}

// console makes the terminal of the first process /dev/console. It is the first one of a devpts in which nobody has been yet.
func (b *builder) console() {
	const what = "mount /dev/console"
	source := b.Call(what, unix.SYS_OPEN_TREE, b.mounted[ptsFolder], "0", plan.Flags{
		Value: unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC | unix.AT_SYMLINK_NOFOLLOW, Name: "OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_SYMLINK_NOFOLLOW"})
	b.moveOnto(what, source, b.create(what, b.mounted["/dev"], "console", 0o600, noLinks))
}

// takeTerminal makes stdin the controlling terminal of this process, which leads a session.
func (b *builder) takeTerminal() {
	b.Call("take the terminal", unix.SYS_IOCTL, 0, plan.Flags{Value: unix.TIOCSCTTY, Name: "TIOCSCTTY"}, 0)
}

// SetSize sets the size of a terminal, whose foreground processes get SIGWINCH if it is a new one.
func SetSize(master *os.File, width, height uint16) error {
	conn, err := master.SyscallConn()
	if err != nil {
		return err
	}
	var ioctlErr error
	err = conn.Control(func(fd uintptr) {
		ioctlErr = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: height, Col: width})
	})
	return errors.Join(err, ioctlErr)
}

// OpenPeer opens the other end of a terminal. While somebody has it open, reads of the master wait instead of failing.
func OpenPeer(master *os.File) (*os.File, error) {
	conn, err := master.SyscallConn()
	if err != nil {
		return nil, err
	}
	peer, peerErr := -1, error(nil)
	if err := conn.Control(func(fd uintptr) { peer, peerErr = openPeer(int(fd)) }); err != nil {
		return nil, err
	}
	if peerErr != nil {
		return nil, peerErr
	}
	return os.NewFile(uintptr(peer), "terminal"), nil
}
