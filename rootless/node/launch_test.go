package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/peapod/peapod/rootless/state"
)

// TestHolderThatCannotBeNoted: it does not stay, as nobody would find it again.
func TestHolderThatCannotBeNoted(t *testing.T) {
	if holder, err := findHolder(state.Paths{Run: filepath.Join(t.TempDir(), "missing")}); err == nil {
		t.Fatalf("noted: %+v", holder)
	}
	for deadline := time.Now().Add(10 * time.Second); running(t); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it was left")
		}
	}
}

// running tells whether this process has a child that has not ended.
func running(t *testing.T) bool {
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range lists {
		for _, pid := range strings.Fields(read(t, list)) {
			if !strings.Contains(read(t, "/proc/"+pid+"/stat"), ") Z ") {
				return true
			}
		}
	}
	return false
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
