package unpack

import (
	"archive/tar"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"go.podman.io/storage/pkg/archive"
)

// FuzzUnpack unpacks any bytes beside a canary. Where the storage library takes them, too, both make the same tree, and
// the tar can be made again. To look further than the seeds, as a user with a canary that matters:
//
//	go test -c -o /tmp/fuzz.test && unshare -Urm /tmp/fuzz.test -test.fuzz=FuzzUnpack -test.fuzzcachedir=/tmp/fuzz
func FuzzUnpack(f *testing.F) {
	for name, items := range everything() {
		if name != "sizes" {
			f.Add(pack(f, items...))
		}
	}
	f.Add(pack(f, raw(sparseOld("s")), file("../f", "x"), symlink("l", "../canary"), file("l/x", "x")))
	f.Add(pack(f, symlink("l", "../canary"), link("h", "l/x"), folder("l"), file("l/.wh.x", "")))
	f.Fuzz(func(t *testing.T, data []byte) {
		top, err := os.MkdirTemp("", "fuzz-unpack-")
		if err != nil {
			t.Fatal(err)
		}
		defer removeAll(t, top)
		fuzzOnce(t, top, repaired(data))
	})
}

// repaired gives what looks like a header the right checksum: few changes would get past the tar.Reader otherwise.
func repaired(data []byte) []byte {
	data = bytes.Clone(data)
	for b := range slices.Chunk(data, 512) {
		if len(b) == 512 && bytes.HasPrefix(b[257:], []byte("ustar")) {
			sum(b)
		}
	}
	return data
}

func fuzzOnce(t *testing.T, top string, data []byte) {
	names := map[string]string{}
	for _, name := range []string{"ours", "theirs", "canary", "scratch"} {
		names[name] = filepath.Join(top, name)
		if err := os.Mkdir(names[name], 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(names["canary"], "x"), []byte("tweet"), 0o600); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	start, before, fds := time.Now().Add(-time.Second), tree(t, names["canary"], later), openFDs(t)
	root, err := os.Open(names["ours"])
	if err != nil {
		t.Fatal(err)
	}
	l, err := Unpack(root, bytes.NewReader(data), Options{IgnoreChownErrors: true, Limit: 1 << 20, Scratch: names["scratch"]})
	root.Close()
	var theirErr error
	if err == nil {
		defer l.TarSplit.Close()
		fds++
	}
	if n := openFDs(t); n != fds {
		t.Errorf("%d descriptors, want %d", n, fds)
	}
	if after := tree(t, names["canary"], later); !slices.Equal(withoutAccess(before), withoutAccess(after)) {
		t.Errorf("the canary was %q, is %q", before, after)
	}
	left, readErr := os.ReadDir(names["scratch"])
	if readErr != nil || len(left) != 0 {
		t.Errorf("in the scratch directory: %v, %v", left, readErr)
	}
	if err != nil {
		return
	}
	if l.DiffID != digest.FromBytes(data) || l.Size != int64(len(data)) {
		t.Errorf("%s, %d bytes", l.DiffID, l.Size)
	}
	if os.Geteuid() != 0 {
		return // files without permissions cannot be read
	}
	if l.Replaced == "" {
		if got, err := reassemble(names["ours"], l.TarSplit); err != nil || !bytes.Equal(got, data) {
			t.Errorf("the tar again: %v", err)
		}
	}
	theirErr = archive.Unpack(bytes.NewReader(data), names["theirs"], &archive.TarOptions{
		WhiteoutFormat: archive.OverlayWhiteoutFormat, InUserNS: true, IgnoreChownErrors: true,
	})
	if theirErr == nil {
		sameTrees(t, withoutAccess(tree(t, names["theirs"], start)), withoutAccess(tree(t, names["ours"], start)))
	} else if !tolerated(data, theirErr) {
		t.Errorf("the library refuses it: %v", theirErr)
	}
}

// tolerated are the library's errors for layers that we take: see TestDisagreements. Paths with its own directory in
// front get too long for it earlier.
func tolerated(data []byte, err error) bool {
	var p *fs.PathError
	if errors.As(err, &p) && (p.Err.Error() == "file name too long" || p.Op == "chown") {
		return true
	}
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		hdr, err := r.Next()
		if err != nil {
			return false
		}
		if hdr.Typeflag == tar.TypeGNUSparse {
			return true
		}
	}
}

// removeAll removes directories without permissions, too.
func removeAll(t *testing.T, top string) {
	_ = filepath.WalkDir(top, func(name string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(name, 0o700)
		}
		return nil
	})
	if err := os.RemoveAll(top); err != nil {
		t.Error(err)
	}
}
