package volume

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// volumeFor makes a volume beside a file that is nobody's business.
func volumeFor(t *testing.T) (place, outside string) {
	t.Helper()
	top := t.TempDir()
	place, outside = filepath.Join(top, "volume"), filepath.Join(top, "outside")
	for dir, mode := range map[string]fs.FileMode{place: 0o770, outside: 0o700, filepath.Join(place, "in"): 0o700} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{
		"up": "..", "absolute": outside, "out": "../outside", "good": "in", "proc": "/proc/self/root", "loop": "loop", "dangling": "in/later", "escaping": "../outside/later",
	} {
		if err := os.Symlink(target, filepath.Join(place, name)); err != nil {
			t.Fatal(err)
		}
	}
	return place, outside
}

func TestOpen(t *testing.T) {
	place, outside := volumeFor(t)
	for sub, want := range map[string]string{
		"": "", ".": "", "in": "in", "good": "in", "new/folder": "new/folder", "good/below": "in/below", "in/": "in",
		"up": "-", "absolute": "-", "out": "-", "out/made": "-", "absolute/made": "-", "proc": "-", "proc/etc": "-", "loop": "-", "../outside": "-",
		"escaping/x": "-", "dangling/x": "-",
	} {
		part, err := Open(place, sub)
		if want == "-" {
			if err == nil {
				t.Errorf("%q: opened %s", sub, part.File.Name())
				part.File.Close()
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", sub, err)
			continue
		}
		var got, expected unix.Stat_t
		if err := errors.Join(unix.Fstat(int(part.File.Fd()), &got), unix.Stat(filepath.Join(place, want), &expected)); err != nil || got.Ino != expected.Ino {
			t.Errorf("%q is not %s (%v)", sub, want, err)
		}
		part.File.Close()
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("made outside: %v (%v)", entries, err)
	}
	// What is made has the volume's mode.
	if info, err := os.Stat(filepath.Join(place, "new/folder")); err != nil || info.Mode().Perm() != 0o770 {
		t.Errorf("mode %v (%v)", info.Mode(), err)
	}
	if _, err := Open(place, "out"); err == nil || !strings.Contains(err.Error(), "not within volume path") {
		t.Errorf("%v, want the kubelet's words", err)
	}
}

// TestOpenRaced swaps a folder for a link to the outside while it is opened, and made, in a loop.
func TestOpenRaced(t *testing.T) {
	place, outside := volumeFor(t)
	folder, link := filepath.Join(place, "swapped"), filepath.Join(place, "link")
	if err := errors.Join(os.Mkdir(folder, 0o700), os.Symlink(outside, link)); err != nil {
		t.Fatal(err)
	}
	var secret unix.Stat_t
	if err := unix.Stat(outside, &secret); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var swapping sync.WaitGroup
	swapping.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, folder, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE)
			}
		}
	})
	opened := 0
	for i := range 20000 {
		sub := "swapped"
		if i%2 == 0 {
			sub = "swapped/made"
		}
		part, err := Open(place, sub)
		if err != nil {
			continue
		}
		opened++
		var got unix.Stat_t
		if err := unix.Fstat(int(part.File.Fd()), &got); err != nil || got.Ino == secret.Ino {
			t.Fatalf("%s is what is outside (%v)", sub, err)
		}
		part.File.Close()
		_ = os.Remove(filepath.Join(place, "swapped/made"))
	}
	close(stop)
	swapping.Wait()
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("made outside: %v (%v)", entries, err)
	}
	if opened == 0 {
		t.Error("nothing was ever opened: this test proves nothing")
	}
}

func TestCheckHostPath(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing")
	for _, c := range []struct {
		path string
		kind corev1.HostPathType
		err  string
	}{
		{dir, corev1.HostPathUnset, ""}, {file, corev1.HostPathUnset, ""},
		{dir, corev1.HostPathDirectory, ""}, {file, corev1.HostPathFile, ""}, {"/dev/null", corev1.HostPathCharDev, ""},
		{dir, corev1.HostPathDirectoryOrCreate, ""}, {file, corev1.HostPathFileOrCreate, ""},
		{file, corev1.HostPathDirectory, "hostPath type check failed: " + file + " is not a directory, it's a File"},
		{file, corev1.HostPathDirectoryOrCreate, "hostPath type check failed: " + file + " is not a directory, it's a File"},
		{dir, corev1.HostPathFileOrCreate, "hostPath type check failed: " + dir + " is not a file, it's a Directory"},
		{dir, corev1.HostPathSocket, "hostPath type check failed: " + dir + " is not a socket file, it's a Directory"},
		{"/dev/null", corev1.HostPathBlockDev, "hostPath type check failed: /dev/null is not a block device, it's a CharDevice"},
		{missing, corev1.HostPathFile, "hostPath type check failed, " + missing + " is not a file, unable to determine its type: stat " + missing + ": no such file or directory"},
		{dir, "Folder", "Folder is an invalid volume type"},
		{filepath.Join(dir, "a/b"), corev1.HostPathDirectoryOrCreate, ""}, {filepath.Join(dir, "c"), corev1.HostPathFileOrCreate, ""},
		{filepath.Join(dir, "d"), corev1.HostPathUnset, ""},
	} {
		err := CheckHostPath(c.path, c.kind)
		if got := message(err); got != c.err {
			t.Errorf("%s as %q: %q, want %q", c.path, c.kind, got, c.err)
		}
	}
	for name, isDir := range map[string]bool{"a/b": true, "c": false, "d": true} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.IsDir() != isDir {
			t.Errorf("%s was not made as it should (%v)", name, err)
		}
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestSetGroup is about modes; the only group that an ordinary user can give is one of his own.
func TestSetGroup(t *testing.T) {
	place, outside := volumeFor(t)
	if err := os.WriteFile(filepath.Join(place, "in/file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	gid := int64(os.Getgid())
	if err := SetGroup(place, gid, false, corev1.FSGroupChangeAlways); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{"": fs.ModeDir | fs.ModeSetgid | 0o770, "in": fs.ModeDir | fs.ModeSetgid | 0o770, "in/file": 0o660} {
		if info, err := os.Stat(filepath.Join(place, name)); err != nil || info.Mode() != want {
			t.Errorf("%q: %v, want %v (%v)", name, info.Mode(), want, err)
		}
	}
	if info, err := os.Stat(outside); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("a link was followed: %v (%v)", info.Mode(), err)
	}
	// OnRootMismatch looks at the volume's folder only.
	if err := os.Chmod(filepath.Join(place, "in/file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := SetGroup(place, gid, false, corev1.FSGroupChangeOnRootMismatch); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(place, "in/file")); err != nil || info.Mode() != 0o600 {
		t.Errorf("changed without need: %v (%v)", info.Mode(), err)
	}
}

// TestMakeFolderSwapped puts a symbolic link in the place of a folder between its making and the change of its mode.
// TestSetGroupRaced gives away a volume in which another Pod is at work.
func TestSetGroupRaced(t *testing.T) {
	place, stop, ended := t.TempDir(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for dir := filepath.Join(place, "a"); ; {
			select {
			case <-stop:
				return
			default:
				_ = os.MkdirAll(filepath.Join(dir, "b", "c"), 0o755)
				_ = os.RemoveAll(dir)
			}
		}
	}()
	for range 2000 {
		if err := SetGroup(place, int64(os.Getgid()), false, corev1.FSGroupChangeAlways); err != nil {
			t.Error(err)
			break
		}
	}
	close(stop)
	<-ended
}

func TestMakeFolderSwapped(t *testing.T) {
	place, outside := volumeFor(t)
	parent, err := os.Open(place)
	if err != nil {
		t.Fatal(err)
	}
	defer parent.Close()
	stop := make(chan struct{})
	var swapping sync.WaitGroup
	defer swapping.Wait()
	defer close(stop)
	swapping.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if unix.Unlinkat(int(parent.Fd()), "made", unix.AT_REMOVEDIR) == nil {
				_ = unix.Symlinkat(outside, int(parent.Fd()), "made")
				_ = unix.Unlinkat(int(parent.Fd()), "made", 0)
			}
		}
	})
	for range 20_000 {
		_ = makeFolder(parent, "made", 0o777) // fails when it sees the link
		var st unix.Stat_t
		if err := unix.Stat(outside, &st); err != nil || st.Mode&0o777 != 0o700 {
			t.Fatalf("the mode of a folder outside became %o (%v)", st.Mode&0o777, err)
		}
	}
}

func TestOpenFile(t *testing.T) {
	place, outside := volumeFor(t)
	for _, name := range []string{filepath.Join(place, "in", "file"), filepath.Join(place, "outside"), filepath.Join(outside, "secret")} {
		if err := os.WriteFile(name, []byte("content"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(place, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	// In the container /outside and ../outside from a link are the volume's own.
	if err := os.Symlink("/../outside", filepath.Join(place, "root")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"in/file": true, "/in/file": true, "good/file": true, "root": true, "up/in/file": true,
		"out/secret": false, "absolute/secret": false, "escaping": false, "proc": false, "loop": false, "in": false, "fifo": false, "none": false,
	} {
		f, err := OpenFile(place, name)
		if (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			f.Close()
		}
	}
	if _, err := OpenFile(place, "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
}
