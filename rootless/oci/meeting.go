package oci

import (
	"encoding/binary"
	"errors"
	"io"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/container"
	"github.com/peapod/peapod/rootless/state"
)

// meeting is this side of the places where a Plan waits for its maps and for the hooks.
type meeting struct {
	mapsReady, mapsDone   *os.File
	hooksReady, hooksDone *os.File
	theirs                []*os.File
}

// errGone means that the Plan has failed before it came to the meeting; it says itself why.
var errGone = errors.New("the init is gone")

// newMeeting makes the descriptors and adds the init's ends to files.
func newMeeting(files map[string]*os.File, maps, hooks bool) (m *meeting, err error) {
	m = &meeting{}
	if maps {
		if m.mapsReady, files[container.MapsReadyFD], err = os.Pipe(); err != nil {
			return nil, err
		}
		if files[container.MapsDoneFD], m.mapsDone, err = os.Pipe(); err != nil {
			return nil, err
		}
	}
	if hooks {
		// Through a socket comes with each message the pid of its sender as the receiver counts, where the sender itself may be 1.
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil, os.NewSyscallError("socketpair", err)
		}
		m.hooksReady, files[container.HooksReadyFD] = os.NewFile(uintptr(pair[0]), "hooks"), os.NewFile(uintptr(pair[1]), "hooks")
		if err := unix.SetsockoptInt(pair[0], unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
			return nil, os.NewSyscallError("setsockopt SO_PASSCRED", err)
		}
		if files[container.HooksDoneFD], m.hooksDone, err = os.Pipe(); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{container.MapsReadyFD, container.MapsDoneFD, container.HooksReadyFD, container.HooksDoneFD} {
		if f := files[name]; f != nil {
			m.theirs = append(m.theirs, f)
		}
	}
	return m, nil
}

func (m *meeting) closeTheirs() {
	for _, f := range m.theirs {
		f.Close()
	}
}

// closeOurs lets a Plan that still waits fail.
func (m *meeting) closeOurs() {
	for _, f := range []*os.File{m.mapsReady, m.mapsDone, m.hooksReady, m.hooksDone} {
		if f != nil {
			f.Close()
		}
	}
}

// goOn is what a waiting Plan wants to read.
var goOn = []byte{1}

// hold maps the ids and runs the hooks when the Plan has come there.
func (m *meeting) hold(l *launch) error {
	if m.mapsReady != nil {
		var pid [8]byte
		if _, err := io.ReadFull(m.mapsReady, pid[:]); err != nil {
			return errGone
		}
		if err := idMaps(l.spec.Linux).Write(int(binary.NativeEndian.Uint64(pid[:]))); err != nil {
			return err
		}
		if _, err := m.mapsDone.Write(goOn); err != nil {
			return err
		}
	}
	if m.hooksReady == nil {
		return nil
	}
	pid, err := senderPid(m.hooksReady)
	if err != nil {
		return errGone
	}
	if l.record.Process, err = state.NewProcess(pid); err != nil {
		return err
	}
	if err := runHooks(createHooks(l.spec), l.record.state(specs.StateCreating)); err != nil {
		return err
	}
	_, err = m.hooksDone.Write(goOn)
	return err
}

// senderPid receives a message and tells who has sent it.
func senderPid(socket *os.File) (int, error) {
	var message [8]byte
	control := make([]byte, unix.CmsgSpace(unix.SizeofUcred))
	n, c, _, _, err := unix.Recvmsg(int(socket.Fd()), message[:], control, 0)
	if err != nil || n == 0 {
		return 0, errGone
	}
	messages, err := unix.ParseSocketControlMessage(control[:c])
	if err != nil || len(messages) != 1 {
		return 0, errGone
	}
	credentials, err := unix.ParseUnixCredentials(&messages[0])
	if err != nil {
		return 0, err
	}
	return int(credentials.Pid), nil
}
