package volume

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 123, time.UTC)

func write(t *testing.T, p Projection, at time.Time) {
	t.Helper()
	if err := p.Write(at); err != nil {
		t.Fatal(err)
	}
}

// tree lists what is in a folder, links with where they lead.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		line, _ := filepath.Rel(dir, name)
		if target, err := os.Readlink(name); err == nil {
			line += " → " + target
		} else if info, err := entry.Info(); err == nil {
			line += fmt.Sprintf(" %v", info.Mode())
		}
		list = append(list, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "v")
	p := Projection{Place: dir, Files: Files{
		"a": {Data: []byte("1"), Mode: 0o640}, "sub/b": {Data: []byte("2"), Mode: 0o400}, "sub/c": {Data: []byte("3"), Mode: 0o400},
	}}
	write(t, p, noon)
	const first = "..2026_01_02_12_00_00.000000123"
	same(t, tree(t, dir), first+" drwxr-xr-x", first+"/a -rw-r-----", first+"/sub drwxr-xr-x", first+"/sub/b -r--------", first+"/sub/c -r--------",
		"..data → "+first, "a → ..data/a", "sub → ..data/sub")

	// The same again touches nothing.
	write(t, p, noon.Add(time.Second))
	if link, _ := os.Readlink(filepath.Join(dir, "..data")); link != first {
		t.Errorf("rewritten without need: %s", link)
	}

	// One file changes, one goes, one comes. Whoever had the old folder open does not find it torn.
	p.Files = Files{"a": {Data: []byte("new"), Mode: 0o644}, "d": {Mode: 0o600}}
	write(t, p, noon.Add(time.Minute))
	const second = "..2026_01_02_12_01_00.000000123"
	same(t, tree(t, dir), second+" drwxr-xr-x", second+"/a -rw-r--r--", second+"/d -rw-------", "..data → "+second, "a → ..data/a", "d → ..data/d")
	if b, err := os.ReadFile(filepath.Join(dir, "a")); err != nil || string(b) != "new" {
		t.Errorf("%q, %v", b, err)
	}

	// All go.
	p.Files = nil
	write(t, p, noon.Add(time.Hour))
	const third = "..2026_01_02_13_00_00.000000123"
	same(t, tree(t, dir), third+" drwxr-xr-x", "..data → "+third)
}

// TestWriteFolders keeps places for other mounts, and what a writer that was interrupted has left does not stay.
// TestWriteInterrupted has a writer that ended when the new files were there and before the links to them were.
func TestWriteInterrupted(t *testing.T) {
	p := Projection{Place: filepath.Join(t.TempDir(), "v"), Files: Files{"a": {Data: []byte("1"), Mode: 0o644}, "gone": {Mode: 0o644}}}
	write(t, p, noon)
	p.Files = Files{"a": {Data: []byte("2"), Mode: 0o644}, "new": {Data: []byte("3"), Mode: 0o644}}
	root, err := os.OpenRoot(p.Place)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	const second = "..2026_01_02_13_00_00.000000000"
	if err := writeAll(root, second, p.Files); err != nil {
		t.Fatal(err)
	}
	if err := swap(root, second); err != nil {
		t.Fatal(err)
	}
	write(t, p, noon.Add(2*time.Hour))
	same(t, tree(t, p.Place), second+" drwxr-xr-x", second+"/a -rw-r--r--", second+"/new -rw-r--r--", "..data → "+second, "a → ..data/a", "new → ..data/new")
}

func TestWriteFolders(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "..2025_12_31_00_00_00.000000000"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "..data_tmp")); err != nil {
		t.Fatal(err)
	}
	p := Projection{Place: dir, Files: Files{"a": {Mode: 0o600}}, Folders: []string{"mount/here"}}
	write(t, p, noon)
	const first = "..2026_01_02_12_00_00.000000123"
	want := []string{first + " drwxr-xr-x", first + "/a -rw-------", "..data → " + first, "a → ..data/a", "mount drwxr-xr-x", "mount/here drwxr-xr-x"}
	same(t, tree(t, dir), want...)
	write(t, p, noon)
	same(t, tree(t, dir), want...)
}

// TestWriteFails leaves the volume as it was.
func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	p := Projection{Place: dir, Files: Files{"a": {Data: []byte("old"), Mode: 0o600}}}
	write(t, p, noon)
	before := tree(t, dir)
	for _, files := range []Files{{"../x": {}}, {"/x": {}}, {"..": {}}, {"..x": {}}, {"": {}}, {"a/../b": {}}, {"a\x00": {}}, {"a": {}, "a/b": {}}} {
		p.Files = files
		if err := p.Write(noon.Add(time.Second)); err == nil {
			t.Errorf("%v: no error", files)
		}
		same(t, tree(t, dir), before...)
	}
	p.Files, p.Own = Files{"b": {}}, func() error { return fs.ErrPermission }
	if err := p.Write(noon.Add(time.Second)); err == nil {
		t.Error("no error where it cannot be given to its owner")
	}
	same(t, tree(t, dir), before...)
}

// TestWriteIsSeenAtOnce reads two files that always belong together while they change.
func TestWriteIsSeenAtOnce(t *testing.T) {
	dir := t.TempDir()
	p := Projection{Place: dir}
	put := func(i int) {
		data := fmt.Appendf(nil, "%d", i)
		p.Files = Files{"a": {Data: data, Mode: 0o600}, "b": {Data: data, Mode: 0o600}}
		write(t, p, noon.Add(time.Duration(i)*time.Second))
	}
	put(0)
	stop, done, reads := make(chan struct{}), make(chan struct{}), 0
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			folder, err := os.Open(filepath.Join(dir, "..data"))
			if err != nil { // the folder went between the look at the link and that at the folder; it is the same in a cluster
				continue
			}
			reads++
			a, errA := os.ReadFile(fmt.Sprintf("/proc/self/fd/%d/a", folder.Fd()))
			b, errB := os.ReadFile(fmt.Sprintf("/proc/self/fd/%d/b", folder.Fd()))
			folder.Close()
			if errA == nil && errB == nil && string(a) != string(b) {
				t.Errorf("torn: %s and %s", a, b)
			}
		}
	}()
	for i := range 100 {
		put(i + 1)
	}
	close(stop)
	if <-done; reads == 0 {
		t.Error("nothing was ever read: this test proves nothing")
	}
}

// FuzzWrite takes any names: either nothing happens, or the files are in the volume and nothing is beside it.
func FuzzWrite(f *testing.F) {
	for _, name := range []string{"a", "a/b", "../a", "..data", "..", "a/..", "/etc/passwd", "a//b", ".", "..2026/x", "a\x00b", strings.Repeat("a/", 100)} {
		f.Add(name, "other")
	}
	f.Fuzz(func(t *testing.T, one, other string) {
		top := t.TempDir()
		p := Projection{Place: filepath.Join(top, "v"), Files: Files{one: {Data: []byte("1"), Mode: 0o600}, other: {Data: []byte("2"), Mode: 0o600}}}
		err := p.Write(noon)
		entries, _ := os.ReadDir(top)
		if len(entries) > 1 {
			t.Fatalf("written beside the volume: %v", entries)
		}
		if err != nil {
			return
		}
		for name, file := range p.Files {
			if b, err := os.ReadFile(filepath.Join(p.Place, name)); err != nil || string(b) != string(file.Data) {
				t.Errorf("%q: %q, %v", name, b, err)
			}
		}
	})
}
