package seccomp

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The table is right for the architecture that runs the test; the golden listings pin the other one.
func TestNumbersOfThisArchitecture(t *testing.T) {
	for name, want := range map[string]uint32{
		"read": unix.SYS_READ, "openat": unix.SYS_OPENAT, "clone": unix.SYS_CLONE, "execve": unix.SYS_EXECVE,
		"socket": unix.SYS_SOCKET, "mount": unix.SYS_MOUNT, "ptrace": unix.SYS_PTRACE, "umount2": unix.SYS_UMOUNT2,
		"personality": unix.SYS_PERSONALITY, "keyctl": unix.SYS_KEYCTL, "setns": unix.SYS_SETNS, "bpf": unix.SYS_BPF,
		"newfstatat": unix.SYS_NEWFSTATAT, "prlimit64": unix.SYS_PRLIMIT64, "pread64": unix.SYS_PREAD64,
		"close_range": unix.SYS_CLOSE_RANGE, "clone3": unix.SYS_CLONE3, "mseal": unix.SYS_MSEAL,
	} {
		if got, ok := number(runtime.GOARCH, name); !ok || got != want {
			t.Errorf("%s: %d, %v; want %d", name, got, ok, want)
		}
	}
	if _, ok := number(runtime.GOARCH, "no_such_call"); ok {
		t.Error("no_such_call has a number")
	}
}

// TestLoad has the real kernel check and run the filter of an ordinary container. A filter cannot be taken off again,
// so a child process does it.
func TestLoad(t *testing.T) {
	if os.Getenv("PEAPOD_TEST_LOAD") != "" {
		loaded(t)
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestLoad$", "-test.v")
	cmd.Env = append(os.Environ(), "PEAPOD_TEST_LOAD=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func loaded(t *testing.T) {
	program, err := Prepare(mustDefault(t, runtime.GOARCH, usualCaps), runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	const instruction = 8 // size of a struct sock_filter
	prog := struct {
		len    uint16
		filter *byte
	}{uint16(len(program.Filter) / instruction), &program.Filter[0]}
	// Of this thread only; the test's goroutine is locked to it and the thread ends with it.
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(program.Flags), uintptr(unsafe.Pointer(&prog))); errno != 0 {
		t.Fatalf("seccomp: %v", errno)
	}
	for _, c := range []struct {
		name     string
		nr, arg0 uintptr
		want     syscall.Errno
	}{
		{"getpid", unix.SYS_GETPID, 0, 0},
		{"keyctl", unix.SYS_KEYCTL, 0xffff, unix.EPERM},
		{"personality, forbidden value", unix.SYS_PERSONALITY, 0x4000000, unix.EPERM},
		{"personality, allowed value", unix.SYS_PERSONALITY, 0xffffffff, 0},
		{"socket of VSOCK", unix.SYS_SOCKET, unix.AF_VSOCK, unix.EPERM},
		{"clone3", unix.SYS_CLONE3, 0, unix.ENOSYS},
		{"a call from the future", 600, 0, unix.ENOSYS},
		{"an x32 call", 0x40000000 | unix.SYS_GETPID, 0, unix.ENOSYS},
	} {
		if _, _, errno := unix.RawSyscall(c.nr, c.arg0, 0, 0); errno != c.want {
			t.Errorf("%s: %v, want %v", c.name, errno, c.want)
		}
	}
}
