package image

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

func TestPullAndFind(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := startRegistry(t, registryOptions{})
	r.useInsecure(t)
	manifest := r.push(t, "team/app:1.0", smallImage())
	s := openStore(t)

	full := r.address + "/team/app:1.0"
	if _, err := s.Get(full); !errors.Is(err, ErrNotFound) {
		t.Fatalf("Get before Pull: %v, want ErrNotFound", err)
	}
	pulled, err := s.Pull(t.Context(), full, PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	checkImage(t, pulled, full, manifest)
	for _, ref := range []string{
		full, "team/app:1.0", r.address + "/team/app@" + manifest.String(), r.address + "/team/app:1.0@" + manifest.String(),
		"team/app@" + manifest.String(), pulled.ID, "sha256:" + pulled.ID, pulled.ID[:12],
	} {
		if found, err := s.Get(ref); err != nil || found.ID != pulled.ID {
			t.Errorf("Get(%q) = %v, %v, want the pulled image", ref, found, err)
		}
	}
	for _, ref := range []string{"app", "team/app", r.address + "/other@" + manifest.String(), strings.Repeat("0", 64), "000", "team/app:" + pulled.ID[:12]} {
		if found, err := s.Get(ref); !errors.Is(err, ErrNotFound) {
			t.Errorf("Get(%q) = %v, %v, want ErrNotFound", ref, found, err)
		}
	}
	if _, err := s.Get("No/Such"); !errors.Is(err, ErrInvalidReference) {
		t.Errorf("Get of a bad name: %v", err)
	}
	checkMerged(t, pulled)
}

func checkImage(t *testing.T, i *Image, name string, manifest digest.Digest) {
	t.Helper()
	if !slices.Equal(i.Names, []string{name}) || i.Digest != manifest || len(i.Lowers) != 2 || i.Size <= 0 {
		t.Errorf("pulled %+v; want name %s, manifest %s, 2 lowers, a size", i, name, manifest)
	}
	if want := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC); !i.Created.Equal(want) {
		t.Errorf("created %v, want %v", i.Created, want)
	}
	if got, want := i.Config, smallImage().config; !slices.Equal(got.Cmd, want.Cmd) || !slices.Equal(got.Env, want.Env) || got.StopSignal != want.StopSignal {
		t.Errorf("config %+v, want %+v", got, want)
	}
}

// checkMerged mounts the layers as a container would have them.
func checkMerged(t *testing.T, i *Image) {
	t.Helper()
	root := t.TempDir()
	if err := syscall.Mount("overlay", root, "overlay", 0, "userxattr,lowerdir="+strings.Join(i.Lowers, ":")); err != nil {
		t.Fatalf("mount overlay of %q: %v", i.Lowers, err)
	}
	defer func() {
		if err := syscall.Unmount(root, 0); err != nil {
			t.Error(err)
		}
	}()
	for _, c := range []struct {
		name     string
		mode     os.FileMode
		uid, gid uint32
	}{
		{"etc/shadow", 0o640, 0, 42},
		{"data", os.ModeDir | os.ModeSticky | 0o777, 0, 0},
		{"data/above", 0o644, 0, 0},
		{"bin/app", os.ModeSetuid | 0o755, 0, 0},
		{"bin/sh", os.ModeSymlink | 0o777, 0, 0},
	} {
		info, err := os.Lstat(filepath.Join(root, c.name))
		if err != nil {
			t.Error(err)
			continue
		}
		if info.Mode() != c.mode {
			t.Errorf("%s: mode %v, want %v", c.name, info.Mode(), c.mode)
		}
		if owner := info.Sys().(*syscall.Stat_t); os.Getenv(insideVariable) == "full" && (owner.Uid != c.uid || owner.Gid != c.gid) {
			t.Errorf("%s: owner %d:%d, want %d:%d", c.name, owner.Uid, owner.Gid, c.uid, c.gid)
		}
	}
	for _, name := range []string{"etc/old", "data/below", "etc/.wh.old", "data/.wh..wh..opq"} {
		if _, err := os.Lstat(filepath.Join(root, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is there (%v)", name, err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(root, "bin/same")); err != nil || string(text) != "bin/app" {
		t.Errorf("hard link reads %q, %v", text, err)
	}
}

// Another process, as podman would be, changes the store while this one has it open.
func TestOtherProcess(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := startRegistry(t, registryOptions{})
	r.useInsecure(t)
	first := r.push(t, "app:1", smallImage())
	s := openStore(t)

	runHelper(t, "pull app:1")
	i, err := s.Get("app:1")
	if err != nil {
		t.Fatal(err)
	}
	if i.Digest != first {
		t.Errorf("digest %s, want %s", i.Digest, first)
	}
	newer := smallImage()
	newer.config.Cmd = []string{"/bin/newer"}
	second := r.push(t, "app:1", newer)
	runHelper(t, "pull app:1")
	if i, err = s.Get("app:1"); err != nil || i.Digest != second || i.Config.Cmd[0] != "/bin/newer" {
		t.Errorf("after the tag moved: %+v, %v; want manifest %s", i, err, second)
	}
	list, err := s.List()
	if err != nil || len(list) != 2 || len(list[0].Names) != 1 || len(list[1].Names) != 0 {
		t.Errorf("list %+v, %v; want the named image, then the one that lost its name", list, err)
	}
	runHelper(t, "remove app:1")
	if _, err := s.Get("app:1"); !errors.Is(err, ErrNotFound) {
		t.Errorf("Get after removal: %v", err)
	}
}

func TestRemove(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := startRegistry(t, registryOptions{})
	r.useInsecure(t)
	r.push(t, "app:1", smallImage())
	r.push(t, "app:2", smallImage())
	s := openStore(t)
	for _, ref := range []string{"app:1", "app:2"} {
		if _, err := s.Pull(t.Context(), ref, PullOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Remove("app:1", RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	i, err := s.Get("app:2")
	if err != nil || len(i.Names) != 1 {
		t.Fatalf("the other name: %+v, %v", i, err)
	}
	if _, err := s.Remove(i.ID, RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Remove("app:2", RemoveOptions{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("second removal: %v, want ErrNotFound", err)
	}
	for _, dir := range i.Lowers {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("layer %s is still there (%v)", dir, err)
		}
	}
}

// What a killed process left in the scratch directory goes away, but not what a living one has there.
func TestScratch(t *testing.T) {
	root := t.TempDir()
	left := filepath.Join(root, scratchName, "left")
	if err := os.MkdirAll(filepath.Join(left, "blobs"), 0o700); err != nil {
		t.Fatal(err)
	}
	first, err := openScratch(root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("leftovers are still there (%v)", err)
	}
	used := filepath.Join(root, scratchName, "used")
	if err := os.Mkdir(used, 0o700); err != nil {
		t.Fatal(err)
	}
	second, err := openScratch(root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(used); err != nil {
		t.Errorf("a second store removed what the first one uses: %v", err)
	}
	for _, f := range []*os.File{first, second} {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}
