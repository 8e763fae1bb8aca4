package plan

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Start says how the interpreter's process is made.
type Start struct {
	Plan *Plan
	// Files are the descriptors the Plan inherits, by the names it gave them. They stay the caller's.
	Files map[string]*os.File
	// Stdio are the workload's standard streams; nil ones are /dev/null.
	Stdio [3]*os.File
	// Attr is handed to the process as it is: clone flags, id maps, cgroup.
	Attr *syscall.SysProcAttr
	// Timeout is how long the Plan may take, for one that comes to where others can send signals to it, SIGSTOP too. 0: any time.
	Timeout time.Duration
}

// ErrTimeout means that a Plan was not carried out in the time that it may take. What it started is gone.
var ErrTimeout = errors.New("the interpreter was stopped on its way, or takes too long")

// Error is the failure of one operation of a Plan.
type Error struct {
	Index int    // of the operation
	Act   string // in words
	Err   syscall.Errno
}

func (e *Error) Error() string { return e.Act + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// report is one message of the interpreter: a pid with errno 0, or the offset of the operation that failed.
type report struct {
	value uint32
	errno syscall.Errno
}

// Run carries out the Plan and returns the pid of the process that has called execve, or, if the Plan makes a
// process by Fork, of that one. The process is a child of the caller, who must wait for it. If the Plan fails, everything
// it started is gone when Run returns, and the error is an *Error.
func Run(s Start) (pid int, err error) {
	process, reports, err := s.start()
	if err != nil {
		return 0, err
	}
	defer reports.Close()
	if s.Timeout > 0 {
		if err := reports.SetReadDeadline(time.Now().Add(s.Timeout)); err != nil {
			return 0, err
		}
	}
	pid = process.Pid
	for {
		r, err := readReport(reports)
		switch {
		case errors.Is(err, io.EOF):
			if pid != process.Pid {
				return pid, exited(process) // the process that forked
			}
			return pid, process.Release()
		case errors.Is(err, os.ErrDeadlineExceeded):
			// Children that nobody has waited for: the numbers are theirs.
			_, _ = syscall.Kill(pid, syscall.SIGKILL), syscall.Kill(process.Pid, syscall.SIGKILL)
			err = ErrTimeout
		case err != nil:
			err = fmt.Errorf("read the interpreter's report: %w", err)
		case r.errno == 0:
			pid = int(r.value)
			continue
		default:
			err = s.Plan.failure(r)
			// A process made by Fork can fail before the one that made it has told its pid.
			pid = lastPid(reports, pid)
		}
		reap(pid)
		if pid != process.Pid {
			reap(process.Pid)
		}
		_ = process.Release() // of its pidfd, which would wait for the garbage collector
		return 0, err
	}
}

// lastPid reads the reports that are left, all writers of which end, for the pid of the process that a Plan forked.
func lastPid(reports io.Reader, pid int) int {
	for {
		r, err := readReport(reports)
		if err != nil {
			return pid
		}
		if r.errno == 0 {
			pid = int(r.value)
		}
	}
}

// start starts the interpreter and returns the reading end of its report pipe.
func (s Start) start() (*os.Process, *os.File, error) {
	interpreter, err := Interpreter()
	if err != nil {
		return nil, nil, err
	}
	files, done, err := s.descriptors()
	if err != nil {
		return nil, nil, err
	}
	defer done()
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer writer.Close()
	files[ReportFD] = writer
	// The program is the child's last descriptor: os.StartProcess moves descriptors about, so that no other number of it
	// would be sure to be still there.
	path := fmt.Sprintf("/proc/self/fd/%d", len(files))
	process, err := os.StartProcess(path, argv(planFD, ReportFD),
		&os.ProcAttr{Env: []string{}, Files: append(files, interpreter.File()), Sys: s.Attr})
	if err != nil {
		reader.Close()
		return nil, nil, fmt.Errorf("start the interpreter: %w", startHint(err, s.namespaces()))
	}
	return process, reader, nil
}

// namespaces are the kinds that the process itself is to get.
func (s Start) namespaces() uint64 {
	if s.Attr == nil {
		return 0
	}
	return uint64(s.Attr.Cloneflags)
}

// startHint adds the way out to an error of clone(2) or unshare(2) that was to make such namespaces.
func startHint(err error, namespaces uint64) error {
	switch {
	case errors.Is(err, unix.ENOSPC):
		return fmt.Errorf("%w: %s", err, limitReached(namespaces, readUserLimit))
	case errors.Is(err, unix.EAGAIN):
		return fmt.Errorf("%w: the limit on processes is reached (ulimit -u)", err)
	}
	return err
}

func openNull() (*os.File, error) { return os.OpenFile(os.DevNull, os.O_RDWR, 0) }

// descriptors are the child's files by number. done closes those that were opened for it: nothing of a moment without descriptors is remembered.
func (s Start) descriptors() (files []*os.File, done func(), err error) {
	files = append(s.Stdio[:], nil, nil)
	var opened []*os.File
	closeAll := func() {
		for _, f := range opened {
			f.Close()
		}
	}
	defer func() {
		if err != nil {
			closeAll()
		}
	}()
	if i := slices.Index(s.Stdio[:], nil); i >= 0 {
		null, err := openNull()
		if err != nil {
			return nil, nil, err
		}
		opened = append(opened, null)
		for ; i < len(s.Stdio); i++ {
			files[i] = cmp.Or(files[i], null)
		}
	}
	for _, name := range s.Plan.files {
		f := s.Files[name]
		if f == nil {
			return nil, nil, fmt.Errorf("plan: no descriptor for %q", name)
		}
		files = append(files, f)
	}
	file, err := s.Plan.file()
	if err != nil {
		return nil, nil, err
	}
	files[planFD], opened = file, append(opened, file)
	return files, closeAll, nil
}

// file returns a sealed memfd with the Plan.
func (p *Plan) file() (*os.File, error) {
	encoded, err := p.encode()
	if err != nil {
		return nil, err
	}
	fd, err := sealedMemfd("peapod-plan", encoded, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "plan"), nil
}

func (p *Plan) failure(r report) error {
	i := int(r.value / opSize)
	if i >= len(p.ops) {
		return fmt.Errorf("the interpreter reports operation %d of %d: %w", i, len(p.ops), r.errno)
	}
	err := &Error{i, p.ops[i].describe(), r.errno}
	if n := p.ops[i].number; n == unix.SYS_UNSHARE || n == unix.SYS_CLONE {
		var namespaces uint64
		if first := p.ops[i].args[0]; first.kind == immediate {
			namespaces = first.value
		}
		return startHint(err, namespaces)
	}
	return err
}

func readReport(r io.Reader) (report, error) {
	var b [8]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return report{}, err
	}
	e := binary.NativeEndian
	return report{e.Uint32(b[0:]), syscall.Errno(e.Uint32(b[4:]))}, nil
}

// exited waits for a process that is to end with status 0.
func exited(process *os.Process) error {
	state, err := process.Wait()
	if err == nil && !state.Success() {
		err = fmt.Errorf("the interpreter ended with %s", state)
	}
	return err
}

// reap waits for a child of this process, whatever its end.
func reap(pid int) {
	var status syscall.WaitStatus
	for {
		if _, err := syscall.Wait4(pid, &status, 0, nil); !errors.Is(err, syscall.EINTR) {
			return
		}
	}
}

// Descriptors of Exec: out of the way of everything a Go program has open while it still runs.
const (
	execPlanFD   = 200
	execReportFD = 201
)

// Exec replaces the calling process by the interpreter, and so does not return if it succeeds. The Plan inherits descriptors of
// this process by their own numbers, and none by name. A failure of the Plan ends the process with status 127 and without a word: Run a Plan of the same calls first to learn why it would fail.
func Exec(p *Plan, inherited ...int) error {
	interpreter, err := Interpreter()
	if err != nil {
		return err
	}
	file, err := p.file()
	if err != nil {
		return err
	}
	nothing, err := openNull()
	if err != nil {
		return err
	}
	for _, fd := range inherited {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return os.NewSyscallError("fcntl", err)
		}
	}
	for to, from := range map[int]*os.File{execPlanFD: file, execReportFD: nothing} {
		if err := unix.Dup3(int(from.Fd()), to, 0); err != nil {
			return os.NewSyscallError("dup3", err)
		}
	}
	path := fmt.Sprintf("/proc/self/fd/%d", interpreter.file.Fd())
	return &os.PathError{Op: "execve", Path: path, Err: unix.Exec(path, argv(execPlanFD, execReportFD), os.Environ())}
}

// argv tells the interpreter its descriptors: they are the first two bytes of argv[0].
func argv(plan, report byte) []string { return []string{string([]byte{plan, report})} }
