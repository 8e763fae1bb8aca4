package plan

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// foreignFiles are what the dumping half of TestArm64 leaves for the running half.
const (
	foreignInterpreter = "interpreter"
	foreignPause       = "pause"
	foreignGood        = "good.plan"
	foreignBad         = "bad.plan"
)

// TestDumpForeign is the half of TestArm64 that runs in a binary of the other architecture: it writes that
// architecture's programs and two Plans to a folder.
func TestDumpForeign(t *testing.T) {
	folder := os.Getenv("PLAN_TEST_DUMP")
	if folder == "" {
		t.Skip("a part of TestArm64")
	}
	good, bad := New(), New()
	for _, p := range []*Plan{good, bad} {
		p.When(p.Try(unix.SYS_OPENAT, unix.AT_FDCWD, "/does/not/exist", 0, 0), func() { p.Call("say", unix.SYS_WRITE, 1, "wrong", 5) })
		fd := p.Call("open", unix.SYS_OPENAT, unix.AT_FDCWD, "/", 0, 0)
		p.Call("close", unix.SYS_CLOSE, fd)
		room := p.Room("cwd", 64)
		p.Call("where", unix.SYS_GETCWD, room, 64)
		p.Check("cwd is below /", room, 0xff, '/', int(unix.EXDEV))
		p.Call("say", unix.SYS_WRITE, 1, "hello", 5)
	}
	bad.Call("close it twice", unix.SYS_CLOSE, 12345)
	write := func(name string, b []byte, err error) {
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, name), b, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write(foreignInterpreter, elf(code(interpreterAddress())), nil)
	write(foreignPause, elf(code(pauseAddress())), nil)
	b, err := good.encode()
	write(foreignGood, b, err)
	b, err = bad.encode()
	write(foreignBad, b, err)
}

// TestArm64 runs the arm64 programs under qemu's user emulation, where that is installed.
func TestArm64(t *testing.T) {
	qemu, err := exec.LookPath("qemu-aarch64")
	if err != nil || runtime.GOARCH != "amd64" {
		t.Skip("needs qemu-aarch64 on amd64")
	}
	folder := t.TempDir()
	binary := filepath.Join(folder, "test")
	build := exec.Command("go", "test", "-c", "-o", binary, ".")
	build.Env = append(os.Environ(), "GOARCH=arm64", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	dump := exec.Command(qemu, binary, "-test.run=^TestDumpForeign$")
	dump.Env = append(os.Environ(), "PLAN_TEST_DUMP="+folder)
	if out, err := dump.CombinedOutput(); err != nil {
		t.Fatalf("dump: %v\n%s", err, out)
	}
	t.Run("good", func(t *testing.T) {
		out, report, err := emulate(t, qemu, folder, foreignGood)
		if err != nil || out != "hello" || len(report) != 0 {
			t.Errorf("got %q, report %x, %v", out, report, err)
		}
	})
	t.Run("bad", func(t *testing.T) {
		_, report, err := emulate(t, qemu, folder, foreignBad)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 127 || len(report) != 8 {
			t.Fatalf("report %x, %v", report, err)
		}
		if errno := unix.Errno(report[4]); errno != unix.EBADF || report[0] == 0 {
			t.Errorf("report %x", report)
		}
	})
	t.Run("pause", func(t *testing.T) {
		cmd := exec.Command(qemu, filepath.Join(folder, foreignPause))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitName(t, cmd.Process.Pid, "pause")
		cmd.Process.Signal(unix.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("pause ended with %v", err)
		}
	})
}

// emulate runs the foreign interpreter on a Plan and returns what it printed and reported.
func emulate(t *testing.T, qemu, folder, plan string) (string, []byte, error) {
	t.Helper()
	file, err := os.Open(filepath.Join(folder, plan))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command(qemu, "-0", argv(planFD, ReportFD)[0], filepath.Join(folder, foreignInterpreter))
	var out bytes.Buffer
	cmd.Stdout, cmd.ExtraFiles = &out, []*os.File{file, w}
	runErr := cmd.Run()
	w.Close()
	var report [16]byte
	n, _ := r.Read(report[:])
	return out.String(), report[:n], runErr
}
