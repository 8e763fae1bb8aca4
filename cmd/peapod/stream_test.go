package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/kube"
)

// get --watch prints what there is and then each change, under the columns of the first table.
func TestGetWatch(t *testing.T) {
	b, getenv := node(t)
	reader, writer := io.Pipe()
	done := make(chan int)
	go func() {
		done <- run(t.Context(), []string{"get", "po", "-w", "-l", "app=demo"}, &app{out: writer, err: io.Discard, getenv: getenv})
	}()
	lines := bufio.NewScanner(reader)
	expect := func(want string) {
		t.Helper()
		if !lines.Scan() || !strings.HasPrefix(lines.Text(), want) {
			t.Fatalf("got %q, want %q", lines.Text(), want)
		}
	}
	expect("NAME   READY   STATUS    RESTARTS   AGE")
	expect("demo   0/2     Running   0          ")
	pod := demoPod()
	pod.Status.Phase = corev1.PodFailed
	b.Put(pod)
	expect("demo   0/2     Failed    0          ")
	other := demoPod()
	other.Name, other.Labels = "other", nil
	b.Put(other)
	b.Remove("default", "demo")
	expect("demo   0/2     Failed    0          ")
	reader.Close()
	b.Put(demoPod())
	if code := <-done; code != 1 {
		t.Errorf("without a reader: exit status %d", code)
	}
}

// delete returns when the Pod is gone, not before, and does not mistake its successor for it.
func TestDeleteWaits(t *testing.T) {
	b, getenv := node(t)
	b.Linger = true
	var removed atomic.Bool
	var out bytes.Buffer
	done := make(chan int)
	go func() {
		code := run(t.Context(), []string{"delete", "pod", "demo"}, &app{out: &out, err: os.Stderr, getenv: getenv})
		if !removed.Load() {
			t.Error("returned before the Pod was gone")
		}
		done <- code
	}()
	events, err := b.WatchObjects(t.Context(), kube.Pods, "default", "")
	if err != nil {
		t.Fatal(err)
	}
	for event := range events {
		if event.Object.(*corev1.Pod).DeletionTimestamp != nil {
			break
		}
	}
	removed.Store(true)
	b.Remove("default", "demo")
	next := demoPod()
	next.UID = "u2"
	b.Put(next)
	if code := <-done; code != 0 || out.String() != "pod \"demo\" deleted\n" {
		t.Errorf("exit status %d, %q", code, out.String())
	}
}

// exec -it makes the terminal raw, passes its size on and restores it.
func TestExecTerminal(t *testing.T) {
	_, getenv := node(t)
	master, slave := openTerminal(t)
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 33, Col: 101}); err != nil {
		t.Fatal(err)
	}
	before, err := term.GetState(int(slave.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	out := &sawRaw{fd: int(slave.Fd())}
	var errOut bytes.Buffer
	code := run(t.Context(), []string{"exec", "-it", "demo", "-c", "nginx", "--", "size"}, &app{in: slave, out: out, err: &errOut, getenv: getenv})
	if code != 0 || out.text.String() != "101x33\n" || errOut.Len() > 0 {
		t.Errorf("exit status %d, %q, %q", code, out.text.String(), errOut.String())
	}
	if !out.raw {
		t.Error("the terminal was not raw")
	}
	if after, err := term.GetState(int(slave.Fd())); err != nil || *after != *before {
		t.Errorf("the terminal was not restored: %v", err)
	}
}

// sawRaw looks at the terminal when output comes.
type sawRaw struct {
	text bytes.Buffer
	fd   int
	raw  bool
}

func (s *sawRaw) Write(p []byte) (int, error) {
	if state, err := unix.IoctlGetTermios(s.fd, unix.TCGETS); err == nil && state.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) == 0 {
		s.raw = true
	}
	return s.text.Write(p)
}

// openTerminal makes a pseudoterminal (pty(7)).
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudoterminals: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudoterminals: %v", err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}
