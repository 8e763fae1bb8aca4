package slirp

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCheck(t *testing.T) {
	t.Setenv("PATH", "/nowhere")
	for _, p := range []Program{Slirp4netns, Pasta} {
		if err := p.Check(); !errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, exec.ErrNotFound) || !strings.Contains(err.Error(), "it is in the package "+p.from) {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
}

func TestTunRemedy(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{fs.ErrNotExist, "mknod -m 666 /dev/net/tun c 10 200"},
		{unix.ENODEV, "modprobe tun"},
		{unix.EACCES, "chmod 666 /dev/net/tun"},
		{unix.EIO, ""},
	} {
		got := tunRemedy(&os.PathError{Op: "open", Path: tunDevice, Err: test.err})
		if !strings.Contains(got, test.want) || test.want == "" && got != "" {
			t.Errorf("%v: %q", test.err, got)
		}
	}
}

// TestClosed wants the words that keep the host closed in what both are started with.
func TestClosed(t *testing.T) {
	for _, test := range []struct {
		p    Program
		want []string
	}{
		{Slirp4netns, []string{"--disable-host-loopback"}},
		{Pasta, []string{"--no-map-gw", "--tcp-ports=none", "--udp-ports=none", "--tcp-ns=none", "--udp-ns=none"}},
	} {
		if _, err := exec.LookPath(test.p.Name); err != nil {
			if os.Getenv("PEAPOD_TEST_REQUIRE") != "" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
		args, err := test.p.arguments(test.p, "/proc/self/fd/0", "tap", 65520)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range test.want {
			if !slices.Contains(args, want) {
				t.Errorf("%s lacks %s: %q", test.p.Name, want, args)
			}
		}
	}
}

func TestTail(t *testing.T) {
	tail := &tail{log: slog.New(slog.DiscardHandler)}
	if got := tail.String(); got != "" {
		t.Errorf("got %q of nothing", got)
	}
	for i := range 6 {
		_, _ = fmt.Fprintf(tail, "line %d\nFailed to send 9 bytes to syslog\n\n", i)
	}
	_, _ = io.WriteString(tail, strings.Repeat("x", 2*tailLength)+"end")
	want := ": line 5; " + strings.Repeat("x", tailLength) + "; " + strings.Repeat("x", tailLength) + "; end"
	if got := tail.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
