package node

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/peapod/peapod/rootless/state"
)

func TestRemoveStrayLogs(t *testing.T) {
	n := &Node{paths: state.Paths{State: t.TempDir()}}
	if err := n.removeStrayLogs(nil); err != nil {
		t.Fatalf("without logs: %v", err)
	}
	kept, stray := n.paths.PodLogs("default", "web", "uid-1"), n.paths.PodLogs("default", "web", "uid-2")
	for _, dir := range []string{kept, stray} {
		if err := os.MkdirAll(filepath.Join(dir, "box"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "box", "0.log"), []byte("line"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.removeStrayLogs(map[string]bool{"uid-1": true}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(kept, "box", "0.log")); err != nil {
		t.Errorf("the log of a Pod that is known: %v", err)
	}
	if _, err := os.Stat(stray); !os.IsNotExist(err) {
		t.Errorf("the log of a Pod that is no more: %v", err)
	}
}
