package image

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.podman.io/storage"
)

func TestKernelOverlay(t *testing.T) {
	for _, c := range []struct {
		name    string
		dirs    []string
		program string // content of overlay/.has-mount-program
		options storage.StoreOptions
		want    bool
	}{
		{name: "nothing there", want: true},
		{name: "overlay", dirs: []string{"overlay-layers", "overlay"}, want: true},
		{name: "overlay by the kernel", dirs: []string{"overlay-layers", "overlay"}, program: "false", want: true},
		{name: "overlay by fuse-overlayfs", dirs: []string{"overlay-layers", "overlay"}, program: "true\n", want: false},
		{name: "vfs", dirs: []string{"vfs-layers", "vfs"}, want: false},
		{name: "both", dirs: []string{"vfs-layers", "overlay-layers"}, want: true},
		{name: "vfs configured", options: storage.StoreOptions{GraphDriverName: "vfs"}, want: false},
		{name: "fuse-overlayfs configured", options: storage.StoreOptions{GraphDriverName: "overlay",
			GraphDriverOptions: []string{"overlay.mount_program=/usr/bin/fuse-overlayfs"}}, want: false},
	} {
		c.options.GraphRoot = t.TempDir()
		for _, dir := range c.dirs {
			if err := os.Mkdir(filepath.Join(c.options.GraphRoot, dir), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if c.program != "" {
			writeFile(t, filepath.Join(c.options.GraphRoot, "overlay", ".has-mount-program"), c.program)
		}
		if got := kernelOverlay(c.options); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// A store that podman made with vfs is left as it is.
func TestOwnStore(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	data := os.Getenv("XDG_DATA_HOME")
	theirs := filepath.Join(data, "containers", "storage")
	if err := os.MkdirAll(filepath.Join(theirs, "vfs-layers"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := startRegistry(t, registryOptions{})
	r.useInsecure(t)
	r.push(t, "app:1", smallImage())
	s := openStore(t)
	said := 0
	for range 2 {
		_, err := s.Pull(t.Context(), "app:1", PullOptions{Report: func(p Progress) {
			if strings.Contains(p.Message, theirs) && strings.Contains(p.Message, s.Root()) {
				said++
			}
		}})
		if err != nil {
			t.Error(err)
		}
	}
	if said != 1 {
		t.Errorf("it was said %d times that the store is not the usual one, want once", said)
	}
	if got, want := s.storage.GraphRoot(), filepath.Join(data, "peapod", "storage"); got != want {
		t.Errorf("images are in %s, want %s", got, want)
	}
	if entries, err := os.ReadDir(theirs); err != nil || len(entries) != 1 {
		t.Errorf("podman's directory was touched: %v, %v", entries, err)
	}
}

func TestSharedStore(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	if got, want := s.storage.GraphRoot(), filepath.Join(os.Getenv("XDG_DATA_HOME"), "containers", "storage"); got != want {
		t.Errorf("images are in %s, want %s", got, want)
	}
}
