package oci

import (
	"errors"
	"io"
	"net"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// dialConsole connects to a console socket, to which the init sends its terminal's master.
func dialConsole(path string) (*os.File, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.File()
}

// console is a terminal that is shown on the caller's own.
type console struct {
	socket   *os.File
	master   *os.File
	restore  func() error
	finished chan struct{}
}

// newConsole returns a console and the socket for the init.
func newConsole() (c *console, theirs *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	c = &console{socket: os.NewFile(uintptr(pair[0]), "console"), restore: func() error { return nil }, finished: make(chan struct{})}
	return c, os.NewFile(uintptr(pair[1]), "console"), nil
}

// attach receives the master and connects it with the caller's standard streams. A terminal there becomes raw until close.
func (c *console) attach() (err error) {
	if c.master, err = receiveFD(c.socket); err != nil {
		return err
	}
	if in := int(os.Stdin.Fd()); term.IsTerminal(in) {
		old, err := term.MakeRaw(in)
		if err != nil {
			return err
		}
		c.restore = func() error { return term.Restore(in, old) }
		c.followSize(in)
	}
	go io.Copy(c.master, os.Stdin) //nolint:errcheck // ends with this process
	go func() {
		defer close(c.finished)
		_, _ = io.Copy(os.Stdout, c.master) // EIO when the last one has closed the other end
	}()
	return nil
}

func (c *console) followSize(in int) {
	resize := func() {
		if size, err := unix.IoctlGetWinsize(in, unix.TIOCGWINSZ); err == nil {
			_ = unix.IoctlSetWinsize(int(c.master.Fd()), unix.TIOCSWINSZ, size) // it may be closed already
		}
	}
	resize()
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, unix.SIGWINCH)
	go func() {
		for range changed {
			resize()
		}
	}()
}

// drain waits until everything was shown. Other processes that have the terminal open are not waited for.
func (c *console) drain() {
	<-c.finished
}

func (c *console) close() error {
	err := c.restore()
	c.socket.Close()
	if c.master != nil {
		err = errors.Join(err, c.master.Close())
	}
	return err
}

// receiveFD receives one descriptor (SCM_RIGHTS).
func receiveFD(socket *os.File) (*os.File, error) {
	data, control := make([]byte, 64), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(int(socket.Fd()), data, control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("recvmsg", err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 {
		return nil, errors.New("receive the terminal: no descriptor came")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, errors.New("receive the terminal: no descriptor came")
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fds[0]), "terminal"), nil
}

// sendFD sends one descriptor.
func sendFD(socket, f *os.File) error {
	return unix.Sendmsg(int(socket.Fd()), []byte(f.Name()), unix.UnixRights(int(f.Fd())), nil, 0)
}
