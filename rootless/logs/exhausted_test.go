package logs

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestCopyWithoutDescriptors: a process that has no descriptors left for a moment goes on when it has, and nothing is lost.
func TestCopyWithoutDescriptors(t *testing.T) {
	p := newPlace(t)
	stdout, stderr := p.container(t)
	wait := p.copying(t.Context())
	runtime.GC() // the pool lets go of its pipes in two steps
	runtime.GC()
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	restore := func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	defer restore()
	write(t, stdout, "out\n")
	write(t, stderr, "err\n")
	time.Sleep(100 * time.Millisecond) // to meet the limit; if not, the test has shown less
	restore()
	write(t, stdout, "more\n")
	stdout.Close()
	stderr.Close()
	if err := wait(); err != nil {
		t.Fatal(err)
	}
	if got := p.read(t, Stdout); got != "out\nmore\n" {
		t.Errorf("stdout: %q", got)
	}
	if got := p.read(t, Stderr); got != "err\n" {
		t.Errorf("stderr: %q", got)
	}
}
