package unpack

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"go.podman.io/storage/pkg/archive"
	"golang.org/x/sys/unix"
)

// into unpacks a tar into a new directory.
func into(t testing.TB, data []byte, o Options) (string, *Layer, error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "diff")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	root, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	o.Scratch = t.TempDir()
	l, err := Unpack(root, bytes.NewReader(data), o)
	if l != nil {
		t.Cleanup(func() { l.TarSplit.Close() })
	}
	return dir, l, err
}

// library lets the storage library unpack as its overlay driver does for a user.
func library(t testing.TB, data []byte) (string, error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "diff")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir, archive.Unpack(bytes.NewReader(data), dir, &archive.TarOptions{
		WhiteoutFormat: archive.OverlayWhiteoutFormat, InUserNS: true, IgnoreChownErrors: single(),
	})
}

// capability is a security.capability of version 2: cap_net_bind_service=ep (capabilities(7), linux/capability.h).
const capability = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// everything is a layer of all kinds of entries, in groups that may be taken alone.
func everything() map[string][]item {
	long := strings.Repeat("long/", 40) + strings.Repeat("n", 200)
	old := time.Unix(-86400, 5)
	return map[string][]item{
		"root": {folder("./", mode(0o711), owned(3), xattr("user.r", "1")), file("f", "x")},
		"modes": {
			folder("d/", mode(0o1777)), folder("e", mode(0o2755), owned(7)), file("e/in-group", "x"), file("e/in-group-7", "x", owned(7)), folder("e/sub"),
			file("e/missing/f", "x"), symlink("e/l", "x"),
			file("suid", "s", mode(0o4755), owned(5)), file("sgid", "s", mode(0o2711)), file("none", "n", mode(0)), file("type-bits", "t", mode(0o100640)),
			folder("closed", mode(0)), file("closed/f", "x"), folder("closed/d"),
			header(tar.TypeFifo, "fifo", 0o620, owned(9)),
		},
		"times": {
			file("used", "u", used(someTime.Add(time.Hour))), file("used-before", "u", used(someTime.Add(-time.Hour))), file("old", "o", at(old)),
			symlink("old-link", "x", at(old)), folder("old-dir", at(old)), folder("used-dir", used(someTime.Add(time.Hour))), file("old-dir/f", "x"),
			file("gnu", "g", gnu), folder("far", at(time.Unix(1<<33, 999_999_999))), file("far/f", "x", at(time.Unix(1<<40, 1))),
		},
		"xattrs": {
			file("x", "x", xattr("user.a", "1"), xattr("user.b", "\x00\xff"), xattr("trusted.t", "no"), xattr("security.selinux", "no"), xattr("user.overlay.metacopy", "")),
			folder("d", xattr("user.d", "1"), xattr("user.overlay.opaque", "y")), symlink("l", "x", xattr("user.l", "no")),
			header(tar.TypeFifo, "fifo", 0o600, xattr("user.f", "no")),
			file("cap", "c", mode(0o755), xattr("security.capability", capability)), file("cap-owned", "c", mode(0o4755), owned(8), xattr("security.capability", capability)),
			link("cap-link", "cap-owned", mode(0o4755), owned(8)), file("cap-lost", "c", xattr("security.capability", capability)), link("cap-lost-link", "cap-lost", owned(4)),
			link("x-link", "x", xattr("user.c", "2")),
		},
		"links": {
			file("a", "a"), link("b", "a"), link("d/c", "./a", mode(0o600), owned(11), at(someTime.Add(time.Hour))), symlink("s", "a"), link("hs", "s", owned(12)),
			symlink("dangling", "nowhere/x"), symlink("absolute", "/etc/passwd", owned(13)), link("abs", "/a"), symlink("up", "../../../etc"), link("h-up", "up"),
			header(tar.TypeFifo, "p", 0o600), link("hp", "p", mode(0o640)), link("again", "d/../a"),
		},
		"through links": {
			folder("d"), symlink("rel", "d"), symlink("abs", "/d"), file("rel/f", "1"), file("abs/g", "2"), symlink("far", "../../d"), file("far/h", "3"),
			symlink("new", "gone/deep"), file("new/f", "4"), symlink("back", "gone2/../d"), file("back/i", "5"), link("rel/hard", "abs/f"), symlink("chain", "rel"), folder("chain/sub", mode(0o700)),
			symlink("me", "."), file("me/me/j", "6"), symlink("rootlink", "/"), file("rootlink/k", "7"), symlink("deep", "d/sub/.."), file("deep/m/l", "8"),
			file("/../top", "9"), folder("e"), symlink("e/abs", "/d"), file("e/abs/n", "10"), symlink("e/rel", "../d"), file("e/rel/o", "11"),
		},
		"missing parents": {file("a/b/c/f", "x", owned(6)), folder("p/q", owned(6)), symlink("s/t/l", "x"), link("h/i/l", "a/b/c/f"), header(tar.TypeChar, "dev/sub/null", 0o666)},
		"devices":         {folder("dev"), header(tar.TypeChar, "dev/null", 0o666), header(tar.TypeBlock, "dev/sda", 0o660), file("dev/x", "x"), header(tar.TypeChar, "dev/x", 0o666)},
		"whiteouts": {
			folder("d"), file("d/.wh.f", ""), file(".wh.gone", "content", owned(14)), file("new/.wh.x", ""), file("d/.wh..wh..opq", ""), file("o/p/.wh..wh..opq", ""),
			file("gone/.wh.below", ""), file("gone/deep/.wh.below", ""), folder(".wh..wh.plnk"), file(".wh..wh.plnk/1.2", "aufs"), file(".wh..wh.aufs", ""),
			file("e/.wh.back", ""), file("e/back", "b"), folder(".wh.dir"), symlink(".wh.link", "x"), header(tar.TypeChar, ".wh.dev", 0), file("w/.wh.../f", "x"),
			file("k/.wh.q/f", "x"), folder("k/.wh.q"),
			file(".wh..wh..opq", ""),
		},
		"replaced": {
			file("f", "1"), file("f", "22"), folder("d"), file("d/x", "1"), folder("d/y"), file("d/y/z", "1"), file("d2", "x"), folder("d2"), file("d2/x", "x"), symlink("l", "f"), file("l", "3"),
			folder("m", mode(0o700)), file("m/x", "x"), folder("m", mode(0o711), owned(15), at(someTime.Add(time.Minute))), symlink("m/x", "f"), folder("n"), symlink("n", "m"), file("n/y", "y"),
			file("t/u", "1"), file("t", "2"), header(tar.TypeFifo, "t", 0o600), file("v", "1"), link("v", "f"), file("q", ""), header(tar.TypeChar, "q", 0),
		},
		"names": {
			file(strings.Repeat("h", 99), "1"), file(long, "2"), file(strings.Repeat("g/", 70)+"gnu", "3", gnu), symlink("l", strings.Repeat("t", 300)), symlink("lg", strings.Repeat("t", 300), gnu),
			file("new\nline\x01", "4"), file("quote\"\\", "5"), file("umläut", "6"), file("/absolute", "7"), file("./dot/./f", "8"), file("a//b", "9"), file("in/../out", "10"),
			file("latin\xe4", "12", gnu), file("\u2028", "13"), file("<&>", "14"), folder("slash//"), header(tar.TypeXGlobalHeader, "", 0, func(i *item) {
				i.Header = tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "c"}}
			}),
		},
		"sparse":  {raw(sparse00("s00")), raw(sparse01("s01")), raw(sparse10("s10")), file("after", "x")},
		"sizes":   {file("empty", ""), file("512", strings.Repeat("x", 512)), file("block", strings.Repeat("y", blockSize)), file("zeros", strings.Repeat("\x00", 20<<20)), file("odd", strings.Repeat("z", 3*blockSize+77))},
		"nothing": {},
	}
}

// TestIdentity unpacks each group with the storage library, too.
func TestIdentity(t *testing.T) {
	if !inNamespace(t, "full", "single") {
		return
	}
	groups := everything()
	for _, name := range []string{"root", "modes", "xattrs", "whiteouts", "links", "sizes"} {
		groups["all"] = append(groups["all"], groups[name]...)
	}
	for name, items := range groups {
		t.Run(name, func(t *testing.T) {
			if single() {
				items = withoutOwnedWhiteouts(items)
			}
			data := pack(t, items...)
			if name == "names" {
				data = append(data, "garbage after the end"...)
			}
			start := time.Now().Add(-time.Second)
			want, err := library(t, data)
			if err != nil {
				t.Fatalf("the library: %v", err)
			}
			before := openFDs(t)
			got, l, err := into(t, data, Options{IgnoreChownErrors: single()})
			if err != nil {
				t.Fatal(err)
			}
			if n := openFDs(t); n != before+1 {
				t.Errorf("%d descriptors, were %d", n, before)
			}
			sameTrees(t, tree(t, want, start), tree(t, got, start))
			if l.DiffID != digest.NewDigestFromBytes(digest.SHA256, sha(data)) || l.Size != int64(len(data)) {
				t.Errorf("%s, %d bytes", l.DiffID, l.Size)
			}
			if (name == "replaced" || name == "devices") != (l.Replaced != "") {
				t.Errorf("replaced: %q", l.Replaced)
			}
		})
	}
}

// withoutOwnedWhiteouts: see disagreements.
func withoutOwnedWhiteouts(items []item) []item {
	var kept []item
	for _, i := range items {
		if strings.HasPrefix(filepath.Base(i.Name), whiteoutPrefix) {
			i.Uid, i.Gid = 0, 0
		}
		kept = append(kept, i)
	}
	return kept
}

func sha(b []byte) []byte {
	s := sha256.Sum256(b)
	return s[:]
}

// TestUmask: the process's umask changes nothing.
func TestUmask(t *testing.T) {
	if !inNamespace(t, "full", "single") {
		return
	}
	groups := everything()
	data := pack(t, append(groups["modes"], groups["missing parents"]...)...)
	start := time.Now().Add(-time.Second)
	var trees [][]string
	for _, mask := range []int{0o22, 0o77, 0} {
		trees = append(trees, tree(t, intoMasked(t, data, mask), start))
	}
	sameTrees(t, trees[0], trees[1])
	sameTrees(t, trees[0], trees[2])
}

func intoMasked(t *testing.T, data []byte, mask int) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	root, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	defer unix.Umask(unix.Umask(mask))
	l, err := Unpack(root, bytes.NewReader(data), Options{IgnoreChownErrors: true, Scratch: os.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	l.TarSplit.Close()
	return dir
}

// TestRootGroup: new files get their own group, not the one that the root hands down.
func TestRootGroup(t *testing.T) {
	if !inNamespace(t, "full") {
		return
	}
	dir := t.TempDir()
	if err := errors.Join(os.Chown(dir, 0, 5), os.Chmod(dir, 0o755|os.ModeSetgid)); err != nil {
		t.Fatal(err)
	}
	root, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	items := []item{file("f", "x"), folder("d"), symlink("l", "x"), header(tar.TypeFifo, "p", 0o600), file(".wh.w", "")}
	l, err := Unpack(root, bytes.NewReader(pack(t, items...)), Options{Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	l.TarSplit.Close()
	for _, name := range []string{"f", "d", "l", "p", "w"} {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dir, name), &st); err != nil || st.Gid != 0 {
			t.Errorf("%s: group %d, %v", name, st.Gid, err)
		}
	}
}
