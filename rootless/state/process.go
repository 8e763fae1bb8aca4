package state

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Process names a process for good: a pid may be used again, a pid with its start time is not.
type Process struct {
	Pid       int
	StartTime uint64 // clock ticks since boot, field 22 of /proc/<pid>/stat (proc(5))
}

// NewProcess names a process that runs now.
func NewProcess(pid int) (Process, error) {
	stat, err := readStat(pid)
	return Process{pid, stat.start}, err
}

// Alive tells whether the process still is there and is no zombie.
func (p Process) Alive() bool {
	if p.Pid <= 0 {
		return false
	}
	stat, err := readStat(p.Pid)
	return err == nil && stat.start == p.StartTime && stat.state != 'Z' && stat.state != 'X'
}

// Open returns a close-on-exec pidfd of the process, or ESRCH if it is gone. A zombie can be opened.
func (p Process) Open() (*os.File, error) {
	if p.Pid <= 0 {
		return nil, os.NewSyscallError("pidfd_open", unix.ESRCH)
	}
	fd, err := unix.PidfdOpen(p.Pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	// Only now is the pid pinned: if the start time is right now, it was when the descriptor was made.
	if stat, err := readStat(p.Pid); err != nil || stat.start != p.StartTime {
		unix.Close(fd)
		return nil, os.NewSyscallError("pidfd_open", unix.ESRCH)
	}
	return os.NewFile(uintptr(fd), fmt.Sprintf("pidfd:%d", p.Pid)), nil
}

// Kill sends SIGKILL. That the process is gone already is no error.
func (p Process) Kill() error {
	pidfd, err := p.Open()
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	defer pidfd.Close()
	if err := unix.PidfdSendSignal(int(pidfd.Fd()), unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return os.NewSyscallError("pidfd_send_signal", err)
	}
	return nil
}

// ZombieStatus is the wait status of a process that has ended and that nobody has reaped yet. The caller must be allowed to
// trace it: for others the kernel makes the status 0.
func (p Process) ZombieStatus() (syscall.WaitStatus, error) {
	stat, err := readStat(p.Pid)
	if err == nil && (stat.start != p.StartTime || stat.state != 'Z') {
		err = unix.ESRCH
	}
	return stat.exit, err
}

// stat is what is used of /proc/<pid>/stat (proc(5)).
type stat struct {
	state byte               // field 3
	start uint64             // field 22
	exit  syscall.WaitStatus // field 52
}

func readStat(pid int) (stat, error) {
	path := "/proc/" + strconv.Itoa(pid) + "/stat"
	// Not by os.ReadFile: of what that does for files that could block, or be long, nothing is needed for every command in a container.
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return stat{}, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var b [1024]byte // 52 numbers and a name of at most 64 bytes
	n, err := unix.Read(fd, b[:])
	if err != nil {
		return stat{}, &os.PathError{Op: "read", Path: path, Err: err}
	}
	return parseStat(b[:n])
}

// parseStat reads the content of /proc/<pid>/stat. The second field, the name, may contain anything, parentheses and blanks too.
func parseStat(b []byte) (stat, error) {
	end := bytes.LastIndexByte(b, ')')
	fields := bytes.Fields(b[end+1:])
	const first = 3 // number of the field after the name
	if end < 0 || len(fields) <= 52-first {
		return stat{}, fmt.Errorf("stat of a process: unexpected %q", b)
	}
	start, err := strconv.ParseUint(string(fields[22-first]), 10, 64)
	if err != nil {
		return stat{}, err
	}
	exit, err := strconv.ParseUint(string(fields[52-first]), 10, 32)
	return stat{fields[0][0], start, syscall.WaitStatus(exit)}, err
}
