package unpack

import (
	"bytes"
	"crypto/sha256"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/vbatts/tar-split/tar/asm"
	"github.com/vbatts/tar-split/tar/storage"
	"go.podman.io/storage/pkg/archive"
	"golang.org/x/sys/unix"
)

// The benchmarks unpack the tar that PEAPOD_BENCH_TAR names, below TMPDIR, in a user namespace:
//
//	tar -C /usr -cf /tmp/usr.tar bin lib/python3 share/perl
//	go test -c -o /tmp/unpack.test && PEAPOD_BENCH_TAR=/tmp/usr.tar unshare -Ur /tmp/unpack.test -test.bench=. -test.run=-
func benchmark(b *testing.B, unpack func(dir string, data []byte) error) {
	name := os.Getenv("PEAPOD_BENCH_TAR")
	if name == "" {
		b.Skip("PEAPOD_BENCH_TAR names no tar")
	}
	data, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	var before, after unix.Rusage
	var self, children int64
	for b.Loop() {
		b.StopTimer()
		dir := filepath.Join(b.TempDir(), "diff")
		if err := os.Mkdir(dir, 0o755); err != nil {
			b.Fatal(err)
		}
		self, children = self-cpu(unix.RUSAGE_SELF, &before), children-cpu(unix.RUSAGE_CHILDREN, &before)
		b.StartTimer()
		if err := unpack(dir, data); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		self, children = self+cpu(unix.RUSAGE_SELF, &after), children+cpu(unix.RUSAGE_CHILDREN, &after)
		if err := os.RemoveAll(dir); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(self+children)/1e6/float64(b.N), "cpu-ms/op")
}

func cpu(who int, r *unix.Rusage) int64 {
	_ = unix.Getrusage(who, r)
	return r.Utime.Nano() + r.Stime.Nano()
}

func BenchmarkUnpack(b *testing.B) {
	benchmark(b, func(dir string, data []byte) error {
		root, err := os.Open(dir)
		if err != nil {
			return err
		}
		defer root.Close()
		l, err := Unpack(root, bytes.NewReader(data), Options{IgnoreChownErrors: true, Scratch: filepath.Dir(dir)})
		if err != nil {
			return err
		}
		return l.TarSplit.Close()
	})
}

func libraryUnpack(dir string, r io.Reader) error {
	return archive.Unpack(r, dir, &archive.TarOptions{
		WhiteoutFormat: archive.OverlayWhiteoutFormat, InUserNS: true, IgnoreChownErrors: true,
	})
}

// BenchmarkLibraryBare leaves out what the storage library must do beside it: the digest and the tar-split.
func BenchmarkLibraryBare(b *testing.B) {
	benchmark(b, func(dir string, data []byte) error { return libraryUnpack(dir, bytes.NewReader(data)) })
}

func BenchmarkLibrary(b *testing.B) {
	benchmark(b, func(dir string, data []byte) error {
		split, err := scratchFile(filepath.Dir(dir))
		if err != nil {
			return err
		}
		defer split.Close()
		sum := sha256.New()
		r, done, err := asm.NewInputTarStreamWithDone(io.TeeReader(bytes.NewReader(data), sum), storage.NewJSONPacker(split), nil)
		if err != nil {
			return err
		}
		if err := libraryUnpack(dir, r); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			return err
		}
		return <-done
	})
}

func BenchmarkTar(b *testing.B) {
	benchmark(b, func(dir string, data []byte) error {
		c := exec.Command("tar", "-xf", "-", "-C", dir)
		c.Stdin, c.Stderr = io.Reader(bytes.NewReader(data)), os.Stderr
		return c.Run()
	})
}
