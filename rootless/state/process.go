package state

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Process names a process for good: a pid may be used again, a pid with its start time is not.
type Process struct {
	Pid       int
	StartTime uint64 // clock ticks since boot, field 22 of /proc/<pid>/stat (proc(5))
}

// NewProcess names a process that runs now.
func NewProcess(pid int) (Process, error) {
	_, start, err := processStat(pid)
	return Process{pid, start}, err
}

// Alive tells whether the process still is there and is no zombie.
func (p Process) Alive() bool {
	if p.Pid <= 0 {
		return false
	}
	status, start, err := processStat(p.Pid)
	return err == nil && start == p.StartTime && status != 'Z' && status != 'X'
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
	if _, start, err := processStat(p.Pid); err != nil || start != p.StartTime {
		unix.Close(fd)
		return nil, os.NewSyscallError("pidfd_open", unix.ESRCH)
	}
	return os.NewFile(uintptr(fd), fmt.Sprintf("pidfd:%d", p.Pid)), nil
}

// processStat reads a process's state letter and start time.
func processStat(pid int) (status byte, start uint64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	return parseStat(b)
}

// parseStat reads /proc/<pid>/stat. The second field, the name, may contain anything, parentheses and blanks too.
func parseStat(b []byte) (status byte, start uint64, err error) {
	end := bytes.LastIndexByte(b, ')')
	fields := bytes.Fields(b[end+1:])
	const startField = 22 - 3 // the fields after the name count from 3
	if end < 0 || len(fields) <= startField {
		return 0, 0, fmt.Errorf("stat of a process: unexpected %q", b)
	}
	start, err = strconv.ParseUint(string(fields[startField]), 10, 64)
	return fields[0][0], start, err
}
