package unpack

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.podman.io/storage/pkg/archive"
	"golang.org/x/sys/unix"
)

// cage is a root to unpack into with a canary beside it, which nothing may touch.
type cage struct {
	root, outside string
	before        []string
}

func newCage(t testing.TB) *cage {
	t.Helper()
	top := t.TempDir()
	c := &cage{root: filepath.Join(top, "root"), outside: filepath.Join(top, "outside")}
	for _, dir := range []string{c.root, c.outside, filepath.Join(c.outside, "dir")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"secret", "dir/canary"} {
		if err := os.WriteFile(filepath.Join(c.outside, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.before = c.canary(t)
	return c
}

// canary describes what is outside.
func (c *cage) canary(t testing.TB) []string {
	return withoutAccess(tree(t, c.outside, time.Now().Add(time.Hour)))
}

func (c *cage) unpack(t testing.TB, r io.Reader, o Options) (*Layer, error) {
	t.Helper()
	before := openFDs(t)
	fd, err := unix.Open(c.root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	root := os.NewFile(uintptr(fd), c.root)
	o.Scratch = filepath.Dir(c.root)
	l, err := Unpack(root, r, o)
	root.Close()
	if l != nil {
		l.TarSplit.Close()
	}
	if n := openFDs(t); n != before {
		t.Errorf("%d descriptors, were %d", n, before)
	}
	after := c.canary(t)
	if !slices.Equal(c.before, after) {
		t.Errorf("outside: was\n%s\nis\n%s", strings.Join(c.before, "\n"), strings.Join(after, "\n"))
	}
	entries, err2 := os.ReadDir(filepath.Dir(c.root))
	if err2 != nil || len(entries) != 2 {
		t.Errorf("beside the root: %v, %v", entries, err2)
	}
	return l, err
}

// TestHostile has layers that try to get out, or to break something. OUTSIDE stands for the canary's path.
func TestHostile(t *testing.T) {
	if !inNamespace(t, "full", "single") {
		return
	}
	tests := []struct {
		name  string
		items []item
		err   string   // part of the error, "" for none
		want  []string // NAME or NAME=CONTENT in the root after it
	}{
		{"dot-dot", []item{file("../outside/x", "x")}, `entry "../outside/x": climbs out`, nil},
		{"dot-dot inside", []item{file("a/../../outside/x", "x")}, `entry "a/../../outside/x": climbs out`, nil},
		{"only dot-dot", []item{folder("..")}, `entry "..": climbs out`, nil},
		{"absolute", []item{file("OUTSIDE/secret", "x")}, "", []string{"OUTSIDE/secret=x"}},
		{"absolute dot-dot", []item{file("/../../x", "x")}, "", []string{"x=x"}},
		{"through an absolute link", []item{symlink("l", "OUTSIDE"), file("l/secret", "x")}, "", []string{"OUTSIDE/secret=x"}},
		{"through a relative link", []item{symlink("l", "../outside"), file("l/secret", "x")}, "", []string{"outside/secret=x"}},
		{"through a link in a link", []item{symlink("a", "b/c"), folder("b"), symlink("b/c", "../../outside/dir"), file("a/canary", "x")}, "", []string{"outside/dir/canary=x"}},
		{"on a link", []item{symlink("l", "OUTSIDE/secret"), file("l", "x")}, "", []string{"l=x"}},
		{"directory on a link", []item{symlink("l", "OUTSIDE"), folder("l", mode(0o777)), file("l/secret", "x")}, "", []string{"l/secret=x"}},
		{"link on a directory", []item{folder("d"), file("d/secret", "1"), symlink("d", "OUTSIDE"), file("d/secret", "2")}, "", []string{"OUTSIDE/secret=2"}},
		{"link on a cached directory", []item{folder("a/b"), file("a/b/x", "1"), file("a", ""), symlink("a", "OUTSIDE"), file("a/b/x", "2")}, "", []string{"OUTSIDE/b/x=2"}},
		{"directory times through a link", []item{folder("d"), symlink("e", "OUTSIDE"), folder("e/dir", at(someTime))}, "", nil},
		{"directory that became a link", []item{folder("dir", at(someTime)), symlink("dir", "OUTSIDE/dir")}, "", nil},
		{"parent that became a link", []item{folder("p/dir", at(someTime)), symlink("p", "OUTSIDE")}, `entry "p/dir": openat2`, nil},
		{"fifo on a link", []item{symlink("l", "OUTSIDE/secret"), header(tar.TypeFifo, "l", 0o777)}, "", []string{"l"}},
		{"hard link to a link to outside", []item{symlink("l", "OUTSIDE/secret"), link("h", "l", mode(0o777), owned(1), xattr("user.x", "x"))}, "", nil},
		{"hard link through a link", []item{symlink("l", "OUTSIDE"), link("h", "l/secret")}, `entry "h": openat2`, nil},
		{"hard link through a magic link", []item{symlink("l", "/proc/self/cwd"), link("h", "l/secret")}, `entry "h": openat2`, nil},
		{"hard link, dot-dot", []item{link("h", "../outside/secret")}, "hard link to a file outside", nil},
		{"hard link, absolute dot-dot", []item{link("h", "/../outside/secret")}, "hard link to a file outside", nil},
		{"hard link, dot-dot inside", []item{folder("a"), link("h", "a/../../outside/secret")}, "hard link to a file outside", nil},
		{"hard link, absolute", []item{link("h", "OUTSIDE/secret")}, `entry "h": openat2`, nil},
		{"hard link to the root", []item{link("h", ".")}, "link", nil},
		{"hard link to itself", []item{file("h", "x"), link("h", "h")}, "link h h", nil},
		{"hard link through the link it replaces", []item{folder("d"), symlink("l", "d"), file("l/x", "x"), link("l", "l/x")}, `entry "l": openat2`, nil},
		{"magic link", []item{symlink("l", "/proc/self/fd/0"), file("l/x", "x")}, "", []string{"proc/self/fd/0/x=x"}},
		{"magic link to the root", []item{symlink("l", "/proc/self/root/etc"), file("l/x", "x")}, "", []string{"proc/self/root/etc/x=x"}},
		{"whiteout, nothing", []item{file(".wh.", "")}, "whiteout of nothing", nil},
		{"whiteout, dot", []item{file("a/.wh..", "")}, "whiteout of nothing", nil},
		{"whiteout, dot-dot", []item{file("a/.wh...", "")}, "whiteout of nothing", nil},
		{"whiteout, dot-dot below", []item{file("a/.wh.../x", "x")}, "", []string{"a/.wh.../x=x"}},
		{"whiteout, climbing", []item{file("../.wh.outside", "")}, "climbs out", nil},
		{"whiteout through a link", []item{symlink("l", "OUTSIDE"), file("l/.wh.secret", "")}, "", []string{"OUTSIDE/secret"}},
		{"whiteout on a link", []item{symlink("l", "OUTSIDE/secret"), file(".wh.l", "")}, "file exists", nil},
		{"opaque through a link", []item{symlink("l", "OUTSIDE/dir"), file("l/.wh..wh..opq", "")}, "", []string{"OUTSIDE/dir"}},
		{"root is a file", []item{file(".", "x")}, `entry ".": the layer's root`, nil},
		{"root is a link", []item{symlink("/", "OUTSIDE")}, "the layer's root", nil},
		{"no name", []item{raw(block512(tar.TypeReg, "", 0))}, `entry "": the layer's root`, nil},
		{"device", []item{header(tar.TypeBlock, "sda", 0o666, func(i *item) { i.Devmajor = 8 }), header(tar.TypeChar, "mem", 0o666, func(i *item) { i.Devmajor, i.Devminor = 1, 1 })}, "", nil},
		{"setuid", []item{file("su", "x", mode(0o6755))}, "", []string{"su=x"}},
		{"NUL in a long name", []item{raw(append(paxRecords('x', "path=a\x00b"), block512('0', "x", 0)...))}, "invalid tar header", nil},
		{"NUL in a sparse file's name", []item{raw(sparse10("a\x00b"))}, "a NUL byte", nil},
		{"newline", []item{file("a\nb\x7f", "x")}, "", []string{"a\nb\x7f=x"}},
		{"long component", []item{file(strings.Repeat("x", 256), "x")}, "name too long", nil},
		{"long path", []item{file(strings.Repeat("x/", 2049)+"y", "x")}, "name too long", nil},
		{"links in a circle", []item{symlink("a", "b"), symlink("b", "a"), file("a/x", "x")}, "too many levels of symbolic links", nil},
		{"file below a file", []item{file("f", "x"), file("f/x", "x")}, "not a directory", nil},
		{"unknown type", []item{raw(block512('Z', "z", 0))}, `entry "z": type 'Z'`, nil},
		{"contiguous file", []item{raw(block512('7', "c", 0))}, `type '7'`, nil},
		{"attribute without a name", []item{file("f", "x", xattr("user.", "x"))}, "setxattr user.: invalid argument", nil},
		{"empty link", []item{raw(block512(tar.TypeSymlink, "l", 0))}, "symlink l: no such file", nil},
		{"negative size", []item{raw(block512('0', "n", 0, func(b []byte) { copy(b[124:], bytes.Repeat([]byte{0xff}, 12)) }))}, "invalid tar header", nil},
		{"huge size", []item{raw(block512('0', "n", 0, func(b []byte) { copy(b[124:], "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff") }))}, `entry "n": unexpected EOF`, nil},
		{"huge sparse size", []item{raw(paxRecords('x', "GNU.sparse.major=0", "GNU.sparse.minor=1", "GNU.sparse.size=9223372036854775807", "GNU.sparse.numblocks=1", "GNU.sparse.map=0,0")), raw(block512('0', "s", 0))}, `entry "s": more than 10485760 bytes`, nil},
		{"garbage header", []item{raw(bytes.Repeat([]byte("garbage!"), 64))}, "first header: archive/tar: invalid", nil},
		{"garbage after an entry", []item{file("f", "x"), raw(bytes.Repeat([]byte("garbage!"), 64))}, `header after entry "f": archive/tar: invalid`, nil},
		{"records that lie", []item{raw(append(block512('x', "p", 20), padded("99 path=abc\n")...)), file("f", "x")}, "invalid tar header", nil},
		{"size record", []item{raw(paxRecords('x', "size=1600")), raw(block512('0', "f", 0))}, "unexpected EOF", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCage(t)
			var items []item
			for _, i := range test.items {
				i.Name, i.Linkname = strings.ReplaceAll(i.Name, "OUTSIDE", c.outside), strings.ReplaceAll(i.Linkname, "OUTSIDE", c.outside)
				items = append(items, i)
			}
			data := pack(t, items...)
			_, err := c.unpack(t, bytes.NewReader(data), Options{IgnoreChownErrors: true, Limit: 10 << 20})
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v, want %q", err, test.err)
			}
			for _, want := range test.want {
				c.has(t, strings.ReplaceAll(want, "OUTSIDE", c.outside))
			}
		})
	}
}

// has looks for NAME or NAME=CONTENT. No name on the way may be a link.
func (c *cage) has(t *testing.T, want string) {
	t.Helper()
	name, content, isFile := strings.Cut(want, "=")
	file := filepath.Join(c.root, name)
	if real, err := filepath.EvalSymlinks(file); err != nil || real != file {
		t.Errorf("%s is %s, %v", file, real, err)
	}
	if !isFile {
		return
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != content {
		t.Errorf("%q: %q, %v", name, b, err)
	}
}

// TestDisagreements are the layers that the storage library takes otherwise, and why.
func TestDisagreements(t *testing.T) {
	if !inNamespace(t, "full", "single") {
		return
	}
	tests := []struct {
		name           string
		items          []item
		library, ours  bool // succeeds
		onlyWithSingle bool
	}{
		{"the old form of sparse files is unknown to the library; it is a file like others", []item{raw(sparseOld("s"))}, false, true, false},
		{"with a single id the library fails for a whiteout of another owner; who owns it means nothing", []item{file(".wh.x", "", owned(5))}, false, true, true},
		{"the library marks a file opaque; the mark belongs to a directory", []item{file("f", "x"), file("f/.wh..wh..opq", "")}, true, false, false},
	}
	for _, test := range tests {
		if test.onlyWithSingle && !single() {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			data := pack(t, test.items...)
			if _, err := library(t, data); (err == nil) != test.library {
				t.Errorf("the library: %v", err)
			}
			if _, _, err := into(t, data, Options{IgnoreChownErrors: single()}); (err == nil) != test.ours {
				t.Error(err)
			}
		})
	}
}

// TestUnmappedOwner: without the option, an owner that has no id is an error that says what to do.
func TestUnmappedOwner(t *testing.T) {
	if !inNamespace(t, "single") {
		return
	}
	for _, i := range []item{file("f", "x", owned(5)), folder("f", owned(5)), symlink("f", "x", owned(5)), header(tar.TypeFifo, "f", 0, owned(5)), file(".wh.f", "", owned(5))} {
		c := newCage(t)
		_, err := c.unpack(t, bytes.NewReader(pack(t, i)), Options{})
		if err == nil || !strings.Contains(err.Error(), "owner 5:5 has no id in this user namespace (give the user more in /etc/subuid") || !errors.Is(err, unix.EINVAL) {
			t.Errorf("type %c: %v", i.Typeflag, err)
		}
	}
}

// TestTruncated cuts a layer at and between the boundaries of its blocks. What tar.Reader takes for an end is one.
func TestTruncated(t *testing.T) {
	if !inNamespace(t, "single") {
		return
	}
	data := pack(t, folder("d"), file("d/f", strings.Repeat("x", 700)), symlink("l", strings.Repeat("t", 200)), raw(sparse10("s")), file("g", "y"))
	for n := 0; n < len(data); n += 171 {
		for _, cut := range []int{n, n &^ 511} {
			c := newCage(t)
			_, err := c.unpack(t, bytes.NewReader(data[:cut]), Options{IgnoreChownErrors: true})
			dir := filepath.Join(t.TempDir(), "diff")
			libErr := os.Mkdir(dir, 0o755)
			if libErr == nil {
				libErr = archive.Unpack(bytes.NewReader(data[:cut]), dir, &archive.TarOptions{InUserNS: true, IgnoreChownErrors: true})
			}
			if (err == nil) != (libErr == nil) {
				t.Errorf("cut at %d: %v, the library: %v", cut, err, libErr)
			}
		}
	}
}

func TestLimit(t *testing.T) {
	if !inNamespace(t, "single") {
		return
	}
	data := pack(t, file("f", strings.Repeat("x", 1<<20)))
	for _, over := range []int64{0, 1, 1 << 19} {
		c := newCage(t)
		limit := int64(len(data)) - over
		l, err := c.unpack(t, bytes.NewReader(data), Options{Limit: limit})
		var e *LimitError
		if over == 0 && err != nil || over > 0 && (l != nil || !errors.As(err, &e) || e.Limit != limit) {
			t.Errorf("limit %d below: %v", over, err)
		}
	}
	// Without an end.
	c := newCage(t)
	if _, err := c.unpack(t, io.MultiReader(bytes.NewReader(data), zeroReader{}), Options{Limit: 64 << 20}); err == nil {
		t.Error("no end is fine")
	}
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestReaderFails: the error of the source is returned as it is, and the source is left alone.
func TestReaderFails(t *testing.T) {
	if !inNamespace(t, "single") {
		return
	}
	broken := errors.New("connection lost")
	data := pack(t, file("f", strings.Repeat("x", 2*blockSize)))
	for _, n := range []int{0, 100, 512, 5000, blockSize, blockSize + 1, len(data)} {
		c := newCage(t)
		if _, err := c.unpack(t, io.MultiReader(bytes.NewReader(data[:n]), brokenReader{broken}), Options{}); err != broken {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

type brokenReader struct{ err error }

func (b brokenReader) Read([]byte) (int, error) { return 0, b.err }

// TestMany has a layer with 10^5 files in a directory, and then a link instead of it.
func TestMany(t *testing.T) {
	if !inNamespace(t, "single") {
		return
	}
	var b bytes.Buffer
	for n := range 100_000 {
		b.Write(block512(tar.TypeReg, fmt.Sprint("d/", n), 0))
	}
	c := newCage(t)
	data := append(b.Bytes(), pack(t, symlink("d", "x"))...)
	if _, err := c.unpack(t, bytes.NewReader(data), Options{}); err != nil {
		t.Fatal(err)
	}
	if target, err := os.Readlink(filepath.Join(c.root, "d")); err != nil || target != "x" {
		t.Error(target, err)
	}
}

// TestDeep nests directories deeper than a path can name them, by links: refused where the names without links get too
// long. What was made can be removed.
func TestDeep(t *testing.T) {
	if !inNamespace(t, "single") {
		return
	}
	var items []item
	inside := ""
	for n := range 10 {
		dir := inside + strings.Repeat("d/", 1000)
		items = append(items, folder(dir), symlink(fmt.Sprint("l", n), "/"+dir))
		inside = fmt.Sprintf("l%d/", n)
	}
	c := newCage(t)
	_, err := c.unpack(t, bytes.NewReader(pack(t, items...)), Options{})
	if !errors.Is(err, unix.ENAMETOOLONG) {
		t.Errorf("10^4 levels: %v", err)
	}
	if err := os.RemoveAll(c.root); err != nil {
		t.Error(err)
	}
	// 2000 levels are not too many, also to be replaced by a file.
	c = newCage(t)
	if _, err := c.unpack(t, bytes.NewReader(pack(t, folder(strings.Repeat("d/", 2000)), file("d", "x"))), Options{}); !errors.Is(err, unix.ENOTDIR) {
		t.Error(err) // the times of the directory that is gone
	}
	if st, err := os.Lstat(filepath.Join(c.root, "d")); err != nil || !st.Mode().IsRegular() {
		t.Error(st, err)
	}
}

// TestTangled: links that make each entry expensive are not followed for ever.
func TestTangled(t *testing.T) {
	d := dirs{root: -1, steps: maxSteps - 10}
	if _, err := d.resolve(strings.Repeat("x/", 20)); err != errTangled {
		t.Error(err)
	}
	// Nor do they make names longer and longer.
	root, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	d = dirs{root: int(root.Fd())}
	if _, err := d.resolve(strings.Repeat("x/", 3000)); err != unix.ENAMETOOLONG {
		t.Error(err)
	}
}

// TestRemoveTree removes what is wide, deep and named like the places things are moved to.
func TestRemoveTree(t *testing.T) {
	top := t.TempDir()
	for _, dir := range []string{"d/.moved-1/.moved-2/x", "d/.moved-2/y/z", "d/a/b/c/d/e", "d/empty"} {
		if err := os.MkdirAll(filepath.Join(top, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(top, dir, "f"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/", filepath.Join(top, "d/a/root")); err != nil {
		t.Fatal(err)
	}
	for n := range 3000 {
		if err := os.WriteFile(filepath.Join(top, "d/a/b", fmt.Sprint(n)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(top)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	before := openFDs(t)
	if err := removeTree(int(f.Fd()), "d"); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(top); err != nil || len(left) != 0 || openFDs(t) != before {
		t.Error(left, err)
	}
}

// TestReaderLeft: when Unpack has failed, nobody reads any more.
func TestReaderLeft(t *testing.T) {
	c := newCage(t)
	r := &slowReader{}
	if _, err := c.unpack(t, io.MultiReader(strings.NewReader(strings.Repeat("garbage!", blockSize/8)), r), Options{}); err == nil {
		t.Error("garbage is fine")
	}
	if r.reading.Load() {
		t.Error("still reading")
	}
}

type slowReader struct{ reading atomic.Bool }

func (s *slowReader) Read(p []byte) (int, error) {
	s.reading.Store(true)
	defer s.reading.Store(false)
	time.Sleep(50 * time.Millisecond)
	return len(p), nil
}
