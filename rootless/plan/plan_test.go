package plan

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// output runs a Plan that ends with an execve or an exit and returns what it wrote to stdout and its exit status.
func output(t *testing.T, p *Plan, files map[string]*os.File, attr *syscall.SysProcAttr) (string, syscall.WaitStatus) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	pid, err := Run(Start{Plan: p, Files: files, Stdio: [3]*os.File{nil, w, nil}, Attr: attr})
	w.Close()
	if err != nil {
		t.Fatalf("%v\n%s", err, p)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil {
		t.Fatal(err)
	}
	return string(b), status
}

func execShell(p *Plan, script string) {
	p.Call("execute the shell", unix.SYS_EXECVE, "/bin/sh", Vector{"sh", "-c", script}, Vector{"GREETING=hello world"})
}

func TestExecve(t *testing.T) {
	p := New()
	execShell(p, `echo "$GREETING"; ls -l /proc/self/fd | wc -l; exit 3`)
	got, status := output(t, p, nil, nil)
	// The heading of ls, 0, 1, 2, the folder being read, and the shell script's own pipe ends: nothing of ours is inherited.
	if !strings.HasPrefix(got, "hello world\n") || status.ExitStatus() != 3 {
		t.Errorf("got %q, status %v", got, status)
	}
}

func TestNothingIsInherited(t *testing.T) {
	extra, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer extra.Close()
	p := New()
	p.Inherit("root")
	execShell(p, `for fd in 3 4 5 6 7 8; do [ ! -e /proc/self/fd/$fd ] || readlink /proc/self/fd/$fd; done`)
	if got, _ := output(t, p, map[string]*os.File{"root": extra}, nil); got != "" {
		t.Errorf("the workload has descriptors of %s", got)
	}
}

func TestResultsAndPointers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	p := New()
	fd := p.Call("create", unix.SYS_OPENAT, unix.AT_FDCWD, path, unix.O_CREAT|unix.O_RDWR, 0o644)
	n := p.Call("write", unix.SYS_WRITE, fd, "written", 7)
	room := p.Room("room", 8)
	p.Call("read back", unix.SYS_PREAD64, fd, room, n, 0)
	p.Call("print", unix.SYS_WRITE, 1, room, n)
	if got, status := output(t, p, nil, nil); got != "written" || status.ExitStatus() != 0 {
		t.Errorf("got %q, status %v", got, status)
	}
}

func TestFailureNamesTheAct(t *testing.T) {
	p := New()
	p.Call("open the missing file", unix.SYS_OPENAT, unix.AT_FDCWD, "/does/not/exist", 0, 0)
	execShell(p, "true")
	_, err := Run(Start{Plan: p})
	var e *Error
	if !errors.As(err, &e) || e.Index != 1 || e.Err != unix.ENOENT || err.Error() != "open the missing file: no such file or directory" {
		t.Errorf("got %v", err)
	}
}

func TestBranches(t *testing.T) {
	say := func(p *Plan, s string) { p.Call("say", unix.SYS_WRITE, 1, s, len(s)) }
	missing := func(p *Plan) Ref { return p.Try(unix.SYS_OPENAT, unix.AT_FDCWD, "/does/not/exist", 0, 0) }
	present := func(p *Plan) Ref { return p.Try(unix.SYS_OPENAT, unix.AT_FDCWD, "/", 0, 0) }
	zero := func(p *Plan) Ref { return p.Try(unix.SYS_UMASK, 0) }
	p := New()
	p.Try(unix.SYS_UMASK, 0)
	for _, condition := range []struct {
		name string
		call func(p *Plan) Ref
	}{{"missing", missing}, {"present", present}, {"zero", zero}} {
		p.When(condition.call(p), func() { say(p, "when "+condition.name+"\n") })
		p.Unless(condition.call(p), func() { say(p, "unless "+condition.name+"\n"); say(p, "(two)\n") })
		if condition.name != "missing" {
			p.WhenPositive(condition.call(p), func() { say(p, "positive "+condition.name+"\n") })
		}
	}
	for _, call := range []func(p *Plan) Ref{missing, present} {
		p.Either(call(p), func() { say(p, "then\n") }, func() { say(p, "otherwise\n") })
	}
	say(p, "end\n")
	want := "unless missing\n(two)\nwhen present\npositive present\nwhen zero\notherwise\nthen\nend\n"
	if got, _ := output(t, p, nil, nil); got != want {
		t.Errorf("got %q, want %q\n%s", got, want, p)
	}
}

func TestCheck(t *testing.T) {
	for _, want := range []uint64{'a', 'b'} {
		p := New()
		room := p.Room("letter", 8)
		null := p.Inherit("letters")
		p.Call("read", unix.SYS_READ, null, room, 8)
		p.Check("the letter is right", room, 0xff, want, int(unix.EXDEV))
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		w.WriteString("abcdefgh")
		pid, err := Run(Start{Plan: p, Files: map[string]*os.File{"letters": r}})
		r.Close()
		w.Close()
		if want == 'a' {
			if err != nil {
				t.Error(err)
			}
			reap(pid)
		} else if !errors.Is(err, unix.EXDEV) {
			t.Errorf("got %v, want EXDEV", err)
		}
	}
}

func TestExecvpGoesOnIfMissing(t *testing.T) {
	p := New()
	p.Execvp([]string{"/does/not/exist/sh", "/etc/passwd/sh", "/etc/passwd", "/bin/sh"}, Vector{"sh", "-c", "echo found"}, nil)
	if got, _ := output(t, p, nil, nil); got != "found\n" {
		t.Errorf("got %q", got)
	}
	p = New()
	p.Execvp([]string{"/does/not/exist/sh"}, Vector{"sh"}, nil)
	if _, err := Run(Start{Plan: p}); !errors.Is(err, unix.ENOENT) {
		t.Errorf("got %v, want ENOENT", err)
	}
}

// ownUser makes a user namespace in which the caller is root.
func ownUser(flags uintptr) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | flags,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
}

func TestFork(t *testing.T) {
	for name, flags := range map[string]uintptr{"own memory": 0, "shared memory": unix.CLONE_VM} {
		t.Run(name, func(t *testing.T) {
			p := New()
			p.Fork("enter a pid namespace", unix.CLONE_NEWPID|flags)
			execShell(p, `echo $$; exit 5`)
			got, status := output(t, p, nil, ownUser(0))
			if got != "1\n" || status.ExitStatus() != 5 {
				t.Errorf("got %q, status %v", got, status)
			}
		})
	}
}

func TestFailureAfterForkLeavesNothing(t *testing.T) {
	p := New()
	p.Fork("enter a pid namespace", unix.CLONE_NEWPID)
	p.Call("open the missing file", unix.SYS_OPENAT, unix.AT_FDCWD, "/does/not/exist", 0, 0)
	execShell(p, "true")
	if _, err := Run(Start{Plan: p, Attr: ownUser(0)}); !errors.Is(err, unix.ENOENT) {
		t.Errorf("got %v, want ENOENT", err)
	}
	if _, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
		t.Errorf("children are left: wait4 says %v", err)
	}
}

func TestPauseReapsAndEnds(t *testing.T) {
	p := New()
	p.Fork("enter a pid namespace", unix.CLONE_NEWPID)
	p.ExecPause()
	pid, err := Run(Start{Plan: p, Files: inheritedPause(t), Attr: ownUser(0)})
	if err != nil {
		t.Fatal(err)
	}
	waitName(t, pid, "pause")
	orphan := "setsid sleep 0.01 & exit 0"
	nsenter := exec.Command("nsenter", "-t", itoa(pid), "-U", "-p", "--preserve-credentials", "sh", "-c", orphan)
	if out, err := nsenter.CombinedOutput(); err != nil {
		t.Fatalf("nsenter: %v: %s", err, out)
	}
	waitChildless(t, pid)
	syscall.Kill(pid, syscall.SIGTERM)
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil || !status.Exited() || status.ExitStatus() != 0 {
		t.Errorf("pause ended with %v, %v", status, err)
	}
}

func TestTooLarge(t *testing.T) {
	p := New()
	p.Call("execute", unix.SYS_EXECVE, "/bin/true", Vector{strings.Repeat("x", MaxSize)}, nil)
	if _, err := Run(Start{Plan: p}); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("got %v", err)
	}
}

// TestNUL has strings that the kernel would cut off, each kind of them.
func TestNUL(t *testing.T) {
	for _, arguments := range [][]any{{"/bin/true\x00", nil, nil}, {"/bin/true", Vector{"true", "a\x00b"}, nil}, {"/bin/true", nil, Vector{"A=\x00"}}} {
		p := New()
		p.Call("execute", unix.SYS_EXECVE, arguments...)
		if _, err := Run(Start{Plan: p}); err == nil || !strings.Contains(err.Error(), "contains a nul byte") {
			t.Errorf("%q: got %v", arguments, err)
		}
	}
}

func TestExec(t *testing.T) {
	if os.Getenv("PLAN_TEST_EXEC") != "" {
		p := New()
		execShell(p, "echo replaced")
		t.Fatal(Exec(p))
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestExec$")
	cmd.Env = append(os.Environ(), "PLAN_TEST_EXEC=1")
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "replaced\n" {
		t.Errorf("got %q, %v", out, err)
	}
}

// TestTimeout stops the interpreter, before and after it has made the process that carries on.
func TestTimeout(t *testing.T) {
	for name, fork := range map[string]bool{"first": false, "forked": true} {
		t.Run(name, func(t *testing.T) {
			p := New()
			if fork {
				p.Fork("fork", 0)
			}
			p.Call("stop", unix.SYS_KILL, p.Call("", unix.SYS_GETPID), int(unix.SIGSTOP))
			execShell(p, "true")
			if pid, err := Run(Start{Plan: p, Timeout: 500 * time.Millisecond}); !errors.Is(err, ErrTimeout) {
				t.Errorf("pid %d, %v; want ErrTimeout", pid, err)
			}
			var status syscall.WaitStatus
			if pid, err := syscall.Wait4(-1, &status, 0, nil); err != syscall.ECHILD {
				t.Errorf("child %d is left: %v", pid, err)
			}
		})
	}
}
