package container

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/plan"
)

// These tests let a Plan look for places in root file systems that are laid out to mislead, without mounting anything there: a place that is
// found is one that would be mounted on. So they need no privilege. tests/e2e has images of the same kind.

// world is a folder with a root file system, "root", beside things that are not its own. Values are what is at a path below world: "link:"
// and a target, "fifo", "folder", or the content of a file. "WORLD" in a target is world's path.
type world map[string]string

// everybody is in each world.
var everybody = world{"outside/proc/kept": "untouched", "outside/kept": "untouched", "root/etc/kept": "untouched"}

func (w world) make(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	for _, part := range []world{everybody, w} {
		for name, what := range part {
			path := filepath.Join(top, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := makeOne(path, strings.ReplaceAll(what, "WORLD", top)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return top
}

func makeOne(path, what string) error {
	target, isLink := strings.CutPrefix(what, "link:")
	switch {
	case isLink:
		return os.Symlink(target, path)
	case what == "fifo":
		return unix.Mkfifo(path, 0o600)
	case what == "folder":
		return os.MkdirAll(path, 0o755)
	}
	return os.WriteFile(path, []byte(what), 0o644)
}

// place runs a search in a process of its own and returns the path that it has come to.
func place(t *testing.T, root string, search func(b *builder) plan.Ref) (string, error) {
	t.Helper()
	dir, err := os.OpenFile(root, pathFlags|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	b := &builder{Plan: plan.New()}
	b.root = b.Inherit(rootFD)
	fd := search(b)
	const kept = 100
	b.Call("", unix.SYS_DUP3, fd, kept, 0)
	b.Call("", unix.SYS_EXECVE, "/bin/sh", plan.Vector{"sh", "-c", "readlink /proc/self/fd/100"}, plan.Vector{"PATH=" + defaultPath})
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	pid, err := plan.Run(plan.Start{Plan: b.Plan, Files: map[string]*os.File{rootFD: dir}, Stdio: [3]*os.File{nil, w, nil}})
	w.Close()
	if err != nil {
		return "", err
	}
	return readAll(t, r, pid), nil
}

func readAll(t *testing.T, r *os.File, pid int) string {
	t.Helper()
	var text strings.Builder
	if _, err := r.WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil || status != 0 {
		t.Fatalf("the reader ended with %v, %v", status, err)
	}
	return strings.TrimSpace(text.String())
}

// untouched fails the test if anything outside of the root is new or other than it was.
func untouched(t *testing.T, top string) {
	t.Helper()
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(path, top+"/root/") && filepath.Base(path) != "kept" {
			return err
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != "untouched" {
			t.Errorf("%s is %q, %v", path, text, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestPlacesOfKernelFileSystems(t *testing.T) {
	for _, test := range []struct {
		name string
		world
		want error // nil: the folder itself
	}{
		{"nothing", world{}, nil},
		{"folder", world{"root/proc": "folder"}, nil},
		{"absolute link", world{"root/proc": "link:WORLD/outside/proc"}, unix.ENOTDIR},
		{"climbing link", world{"root/proc": "link:../outside/proc"}, unix.ENOTDIR},
		{"link to the root", world{"root/proc": "link:/"}, unix.ENOTDIR},
		{"link to the host's", world{"root/proc": "link:/proc"}, unix.ENOTDIR},
		{"magic link", world{"root/proc": "link:/proc/self/root/proc"}, unix.ENOTDIR},
		{"link inside", world{"root/proc": "link:etc"}, unix.ENOTDIR},
		{"links to each other", world{"root/proc": "link:sys", "root/sys": "link:proc"}, unix.ENOTDIR},
		{"link to itself", world{"root/proc": "link:proc"}, unix.ENOTDIR},
		{"dangling link", world{"root/proc": "link:nowhere"}, unix.ENOTDIR},
		{"file", world{"root/proc": "text"}, unix.ENOTDIR},
		{"FIFO", world{"root/proc": "fifo"}, unix.ENOTDIR},
	} {
		t.Run(test.name, func(t *testing.T) {
			top := test.make(t)
			got, err := place(t, top+"/root", func(b *builder) plan.Ref { return b.target("mount /proc", "/proc") })
			if test.want == nil && (err != nil || got != top+"/root/proc") {
				t.Errorf("got %q, %v", got, err)
			}
			// ELOOP is what kernels say who find the link before the missing folder.
			if test.want != nil && !errors.Is(err, test.want) && !errors.Is(err, unix.ELOOP) {
				t.Errorf("got %q, %v; want %v", got, err, test.want)
			}
			untouched(t, top)
		})
	}
}

// TestPlacesBelowThose is about what is mounted below /dev and /sys, where nothing of the image is met: their own descriptors are searched.
func TestPlacesBelowThose(t *testing.T) {
	for _, destination := range []string{"/dev/pts", "/dev/mqueue", "/dev/shm"} {
		for name, target := range map[string]string{"absolute link": "WORLD/outside", "climbing link": "../../outside", "link to another": "proc"} {
			t.Run(destination+" "+name, func(t *testing.T) {
				hidden := "root" + strings.Replace(destination, "/dev", "/elsewhere", 1)
				top := world{"root/dev": "link:elsewhere", hidden: "link:" + target, "ours": "folder"}.make(t)
				got, err := place(t, top+"/root", func(b *builder) plan.Ref {
					dev := b.Call("", unix.SYS_OPENAT, atFDCWD, top+"/ours", pathFlags|unix.O_DIRECTORY, 0)
					b.mounted = map[string]any{"/dev": dev}
					return b.target("mount "+destination, destination)
				})
				if want := top + "/ours/" + filepath.Base(destination); err != nil || got != want {
					t.Errorf("got %q, %v; want %q", got, err, want)
				}
				untouched(t, top)
			})
		}
	}
}

func TestPlacesOfFilesAndFolders(t *testing.T) {
	file := func(name string) func(*builder) plan.Ref {
		return func(b *builder) plan.Ref { return b.file("mount", b.root, name) }
	}
	folder := func(name string) func(*builder) plan.Ref {
		return func(b *builder) plan.Ref { return b.folder("enter", b.root, name) }
	}
	for _, test := range []struct {
		name string
		world
		search func(*builder) plan.Ref
		want   string // below root; empty: an error
	}{
		{"file", world{}, file("etc/hosts"), "etc/hosts"},
		{"file through an absolute link", world{"root/etc/hosts": "link:/outside/kept"}, file("etc/hosts"), "etc/hosts"},
		{"file through a climbing link", world{"root/etc/hosts": "link:../../outside/kept"}, file("etc/hosts"), "etc/hosts"},
		{"file through the host's path", world{"root/etc/hosts": "link:WORLD/outside/kept"}, file("etc/hosts"), "etc/hosts"},
		{"file through a link inside", world{"root/etc/hosts": "link:/lib/hosts", "root/lib/hosts": "x"}, file("etc/hosts"), "lib/hosts"},
		{"file in a folder that climbs", world{"root/a": "link:../../../outside"}, file("a/hosts"), ""},
		{"file in a folder that is the host's", world{"root/a": "link:WORLD/outside"}, file("a/hosts"), ""},
		{"FIFO", world{"root/etc/hosts": "fifo"}, file("etc/hosts"), "etc/hosts"},
		{"circle", world{"root/etc/hosts": "link:hosts"}, file("etc/hosts"), "etc/hosts"},
		{"folder", world{}, folder("a/b/c"), "a/b/c"},
		{"folder through an absolute link", world{"root/a": "link:/etc"}, folder("a"), "etc"},
		{"folder through a climbing link", world{"root/a": "link:../../../../etc"}, folder("a"), "etc"},
		{"folder through the host's path", world{"root/a": "link:WORLD/outside"}, folder("a"), ""},
		{"new folder through the host's path", world{"root/a": "link:WORLD/outside"}, folder("a/new"), ""},
		{"new folder through a climbing link", world{"root/a": "link:../outside"}, folder("a/new"), ""},
		{"folder that climbs by itself", world{"root/outside": "folder"}, folder("../../outside"), "outside"},
		{"folder that is a file", world{"root/a": "x"}, folder("a"), ""},
		{"folder that is a FIFO", world{"root/a": "fifo"}, folder("a"), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			top := test.make(t)
			got, err := place(t, top+"/root", test.search)
			if test.want == "" && err == nil || test.want != "" && (err != nil || got != top+"/root/"+test.want) {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
			untouched(t, top)
		})
	}
}

// TestMagicLinks searches a root that has a procfs: this system's. Its links to descriptors are what led out of other runtimes' containers
// (CVE-2024-21626); 4 is the pipe of the process that searches, 5 the root's descriptor.
func TestMagicLinks(t *testing.T) {
	for _, name := range []string{
		"proc/self/fd/5", "proc/self/fd/5/etc", "proc/self/cwd", "proc/self/root", "proc/self/root/etc", "proc/thread-self/root",
	} {
		got, err := place(t, "/", func(b *builder) plan.Ref { return b.folder("enter", b.root, name) })
		if !errors.Is(err, unix.ELOOP) {
			t.Errorf("%s: got %q, %v; want %v", name, got, err, unix.ELOOP)
		}
	}
	for _, name := range []string{"proc/self/exe", "proc/self/fd/0"} {
		if got, err := place(t, "/", func(b *builder) plan.Ref { return b.file("mount", b.root, name) }); err == nil {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// TestDevices gives something else in place of one of the host's devices. To clone a mount takes a user namespace.
func TestDevices(t *testing.T) {
	for _, test := range []struct {
		name, path   string
		major, minor uint32
		want         string // of the error
	}{
		{"the right one", "/dev/null", 1, 3, ""},
		{"file", "/etc/passwd", 1, 3, "it is a character device"},
		{"folder", "/usr", 1, 3, "it is a character device"},
		{"another device", "/dev/zero", 1, 3, "it has the right number"},
		{"another major number", "/dev/tty", 1, 0, "it has the right number"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := plan.New()
			b := &builder{Plan: p}
			b.hostDevice("mount it", test.path, test.major, test.minor)
			p.Call("", unix.SYS_EXIT_GROUP, 0)
			pid, err := plan.Run(plan.Start{Plan: p, Attr: &syscall.SysProcAttr{
				Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
				UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}, GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
			}})
			if err == nil {
				var status syscall.WaitStatus
				_, err = syscall.Wait4(pid, &status, 0, nil)
			}
			if test.want == "" && err != nil || test.want != "" && (!errors.Is(err, unix.ENODEV) || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v; want %q", err, test.want)
			}
		})
	}
}

// TestParametersAreNotCovered writes a parameter whose place something else is mounted on (CVE-2025-52881): /dev/null stands for both.
func TestParametersAreNotCovered(t *testing.T) {
	_, err := place(t, "/", func(b *builder) plan.Ref {
		b.mounted = map[string]any{"/proc": b.root}
		b.writeProc("set it", "dev/null", "1")
		return b.Last()
	})
	if !errors.Is(err, unix.EXDEV) {
		t.Errorf("got %v; want %v", err, unix.EXDEV)
	}
}

// TestAccountFiles opens what a passwd must not be.
func TestAccountFiles(t *testing.T) {
	root := open(t, "/")
	for _, name := range []string{"dev/zero", "dev/tty", "dev", "proc/self/exe", "proc/self/fd/0", "proc/self/root/etc/passwd"} {
		f, err := openIn(root, name)
		if err == nil {
			t.Errorf("%s: opened", name)
		}
		closeReader(f)
	}
}
