package container

import (
	"encoding/binary"
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/plan"
)

// masterFD is where the master's descriptor is put, because a message needs its number beforehand.
const masterFD = 255

// terminal opens a terminal of the container's own devpts, sends the master away, and makes the other end /dev/console and
// the standard streams. The slave is opened without its name (ioctl_tty(2), TIOCGPTPEER).
func (b *builder) terminal(p *specs.Process) error {
	pts, dev := b.mounted["/dev/pts"], b.mounted["/dev"]
	if pts == nil || dev == nil {
		return fmt.Errorf("process.terminal needs a tmpfs on /dev and a devpts on /dev/pts")
	}
	const what = "make the terminal"
	master := b.open(what, pts, "ptmx", unix.O_RDWR|unix.O_NOCTTY, noLinks)
	b.Call(what, unix.SYS_IOCTL, master, plan.Flags{Value: unix.TIOCSPTLCK, Name: "TIOCSPTLCK"}, make([]byte, 4))
	if s := p.ConsoleSize; s != nil {
		e := binary.NativeEndian
		size := e.AppendUint64(e.AppendUint16(e.AppendUint16(nil, uint16(s.Height)), uint16(s.Width)), 0)
		b.Call(what, unix.SYS_IOCTL, master, plan.Flags{Value: unix.TIOCSWINSZ, Name: "TIOCSWINSZ"},
			plan.Described{Bytes: size, Text: fmt.Sprintf("{%d, %d}", s.Height, s.Width)})
	}
	slave := b.Call(what, unix.SYS_IOCTL, master, plan.Flags{Value: unix.TIOCGPTPEER, Name: "TIOCGPTPEER"},
		plan.Flags{Value: unix.O_RDWR | unix.O_NOCTTY | unix.O_CLOEXEC, Name: "O_RDWR|O_NOCTTY|O_CLOEXEC"})
	b.Call(what, unix.SYS_FCHOWN, slave, int(p.User.UID), -1)
	console := b.Call(what, unix.SYS_OPEN_TREE, slave, "", plan.Flags{
		Value: unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC | unix.AT_EMPTY_PATH, Name: "OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_EMPTY_PATH"})
	b.moveOnto(what, console, b.create(what, dev, "console", 0o600, noLinks))
	b.Call(what, unix.SYS_DUP3, master, masterFD, plan.Flags{Value: unix.O_CLOEXEC, Name: "O_CLOEXEC"})
	b.SendFD("send the terminal to the console socket", b.Inherit(ConsoleFD), masterFD, "/dev/ptmx")
	for _, fd := range []int{masterFD, 0, 1, 2} {
		if fd == masterFD {
			b.Call("", unix.SYS_CLOSE, fd)
			continue
		}
		b.Call(what, unix.SYS_DUP3, slave, fd, 0)
	}
	b.Call(what, unix.SYS_CLOSE, master)
	b.takeTerminal()
	return nil
}

// giveStreams gives standard streams to the process's user. What cannot be given away stays as it is.
func (b *builder) giveStreams(fds []int, uid uint32) {
	for _, fd := range fds {
		b.Try(unix.SYS_FCHOWN, fd, int(uid), -1)
	}
}
