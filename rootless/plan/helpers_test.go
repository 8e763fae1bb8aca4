package plan

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

// inheritedPause is the descriptor that a Plan with ExecPause inherits.
func inheritedPause(t *testing.T) map[string]*os.File {
	t.Helper()
	program, err := Pause()
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*os.File{pauseFile: program.File()}
}

// waitChildless waits until a process has no children, zombies included.
func waitChildless(t *testing.T, pid int) {
	t.Helper()
	path := "/proc/" + itoa(pid) + "/task/" + itoa(pid) + "/children"
	for range 500 {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(string(b)) == "" {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("pause does not reap")
}

// waitName waits until a process has named itself.
func waitName(t *testing.T, pid int, name string) {
	t.Helper()
	for range 500 {
		if b, _ := os.ReadFile("/proc/" + itoa(pid) + "/comm"); string(b) == name+"\n" {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d does not become %s", pid, name)
}
