package state

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

func TestProcessOfItself(t *testing.T) {
	p, err := NewProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if !p.Alive() {
		t.Error("this process is not alive")
	}
	pidfd, err := p.Open()
	if err != nil {
		t.Fatal(err)
	}
	pidfd.Close()
	another := Process{p.Pid, p.StartTime + 1}
	if another.Alive() {
		t.Error("a process with another start time counts as this one")
	}
	if _, err := another.Open(); !errors.Is(err, unix.ESRCH) {
		t.Errorf("open another process of that pid: %v", err)
	}
}

func TestZombieStatus(t *testing.T) {
	cmd := exec.Command("sh", "-c", "exit 7")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := NewProcess(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.ZombieStatus(); err != nil && !errors.Is(err, unix.ESRCH) {
		t.Error(err)
	}
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, p.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	status, err := p.ZombieStatus()
	if err != nil || status.ExitStatus() != 7 {
		t.Errorf("got %v, %v", status, err)
	}
	if p.Alive() {
		t.Error("a zombie counts as alive")
	}
	cmd.Wait()
	if _, err := p.ZombieStatus(); err == nil {
		t.Error("a reaped process has a status")
	}
}

func FuzzParseStat(f *testing.F) {
	if b, err := os.ReadFile("/proc/self/stat"); err == nil {
		f.Add(b)
	}
	f.Add([]byte("1 (a) b) c) S 0"))
	f.Add([]byte("1 (x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseStat(b)
		if err == nil && s.state == 0 {
			t.Errorf("no state in %q", b)
		}
	})
}
