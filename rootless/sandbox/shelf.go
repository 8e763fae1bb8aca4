package sandbox

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A shelf keeps descriptors open while no node runs: the far ends of a container's streams, its terminal, its pidfd. It is a
// pair of connected sockets, and the pause has both ends as its standard input and output. What a node sends into one waits at the
// other as long as the pause lives, and the descriptors that were sent along (unix(7), SCM_RIGHTS) are open for as long. So the
// pause keeps them without an instruction of its own, and without a page of memory.
//
// Each message is one thing: its name, and one descriptor. They can only be looked at from the oldest on, so whoever looks for one
// goes once around: each is sent again before it is taken out. A node that is killed on the way leaves one that is there twice, and
// never one that is not there.
type shelf struct{ in, out int }

// lapMark begins the name of the message that a lap begins and ends with. Things have other names.
const lapMark = "\x00lap"

// maxThing is the longest name of a thing in bytes.
const maxThing = 256

// newShelf makes a shelf; both ends are the caller's to close.
func newShelf() (s shelf, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return s, os.NewSyscallError("socketpair", err)
	}
	return shelf{pair[0], pair[1]}, nil
}

func (s shelf) close() {
	unix.Close(s.in)
	unix.Close(s.out)
}

func (s shelf) put(name string, f *os.File) error {
	if len(name) == 0 || len(name) > maxThing || name[0] == 0 {
		return fmt.Errorf("shelf: name %q", name)
	}
	conn, err := f.SyscallConn() // not Fd, which would make the file blocking
	if err != nil {
		return err
	}
	if s.crowded() {
		return errors.New("shelf: full")
	}
	var sendErr error
	err = conn.Control(func(fd uintptr) { sendErr = s.send(name, int(fd)) })
	return errors.Join(err, sendErr)
}

// crowded tells that more than three quarters of the room is used: a lap needs some.
func (s shelf) crowded() bool {
	used, err1 := unix.IoctlGetInt(s.in, unix.SIOCOUTQ)
	room, err2 := unix.GetsockoptInt(s.in, unix.SOL_SOCKET, unix.SO_SNDBUF)
	return err1 == nil && err2 == nil && used > room/4*3
}

func (s shelf) send(name string, fds ...int) error {
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	err := unix.Sendmsg(s.in, []byte(name), rights, nil, unix.MSG_NOSIGNAL)
	switch {
	case errors.Is(err, unix.EAGAIN):
		return errors.New("shelf: full")
	case errors.Is(err, unix.ETOOMANYREFS):
		return fmt.Errorf("shelf: %w: the limit on open files is reached (ulimit -n)", err)
	case err != nil:
		return os.NewSyscallError("sendmsg", err)
	}
	return nil
}

// take receives the oldest message, or with MSG_PEEK looks at it. Descriptors, at most one unless a stranger sent it, are the caller's.
func (s shelf) take(flags int) (name string, fds []int, err error) {
	text, rights := make([]byte, maxThing), make([]byte, unix.CmsgSpace(4*4))
	n, oob, _, _, err := unix.Recvmsg(s.out, text, rights, flags|unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return "", nil, os.NewSyscallError("recvmsg", err)
	}
	messages, err := unix.ParseSocketControlMessage(rights[:oob])
	if err != nil {
		return "", nil, err
	}
	for _, m := range messages {
		got, err := unix.ParseUnixRights(&m)
		if err != nil {
			return "", nil, err
		}
		fds = append(fds, got...)
	}
	return string(text[:n]), fds, nil
}

// lap shows all things, oldest first. Those for which keep says no are taken off. A descriptor is closed after keep has seen it.
func (s shelf) lap(keep func(name string, fd int) bool) error {
	mark := fmt.Sprintf("%s %d", lapMark, os.Getpid())
	if err := s.send(mark); err != nil {
		return err
	}
	for {
		name, fds, err := s.take(unix.MSG_PEEK)
		if err != nil {
			return err
		}
		// Another mark is that of a node that was killed. A thing without a descriptor is none.
		ours := name == mark
		if !strings.HasPrefix(name, lapMark) && len(fds) == 1 && keep(name, fds[0]) {
			err = s.send(name, fds...)
		}
		closeAll(fds)
		if err != nil {
			return err
		}
		_, fds, err = s.take(0)
		closeAll(fds)
		if err != nil || ours {
			return err
		}
	}
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// Keep puts a descriptor on the pause's shelf, where it stays open until Drop or the end of the pause.
func (s *Sandbox) Keep(name string, f *os.File) error {
	return s.withShelf(func(shelf shelf) error { return shelf.put(name, f) })
}

// Kept returns copies of what Keep was given under names that begin with prefix, by the rest of the name. They are the caller's to close.
// Of several of one name it is the newest.
func (s *Sandbox) Kept(prefix string) (map[string]*os.File, error) {
	kept := map[string]*os.File{}
	err := s.withShelf(func(shelf shelf) error {
		return shelf.lap(func(name string, fd int) bool {
			rest, ok := strings.CutPrefix(name, prefix)
			if !ok {
				return true
			}
			duplicate, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
			if err != nil {
				return true
			}
			if old := kept[rest]; old != nil {
				old.Close()
			}
			kept[rest] = os.NewFile(uintptr(duplicate), rest)
			return true
		})
	})
	return kept, err
}

// Drop takes everything off the shelf whose name begins with one of the prefixes.
func (s *Sandbox) Drop(prefixes ...string) error {
	return s.withShelf(func(shelf shelf) error {
		return shelf.lap(func(name string, _ int) bool {
			return !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
		})
	})
}

// withShelf fetches both ends of the shelf from the pause for a moment (pidfd_getfd(2)).
func (s *Sandbox) withShelf(use func(shelf) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	pidfd, err := s.Open()
	if err != nil {
		return err
	}
	defer pidfd.Close()
	var shelf shelf
	for stdio, end := range []*int{&shelf.in, &shelf.out} {
		if *end, err = unix.PidfdGetfd(int(pidfd.Fd()), stdio, 0); err != nil {
			if stdio == 1 {
				unix.Close(shelf.in)
			}
			return fmt.Errorf("fetch the shelf from the pause: %w", os.NewSyscallError("pidfd_getfd", err))
		}
	}
	defer shelf.close()
	return use(shelf)
}
