package inflate

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	kgzip "github.com/klauspost/compress/gzip"
	"golang.org/x/sys/unix"
)

const sampleSize = 24 << 20

// samples are files as they are found on this machine.
func samples(b *testing.B) map[string][]byte {
	b.Helper()
	elf := archive(b, "/usr/bin")
	return map[string][]byte{
		"text":       archive(b, filepath.Join(runtime.GOROOT(), "src")),
		"elf":        elf,
		"lib":        archive(b, "/usr/lib"),
		"compressed": compress(b, compressors()["gzip 6"], elf),
		"zeros":      make([]byte, sampleSize),
	}
}

// archive is a tar of the files below root, as much as fits.
func archive(b *testing.B, root string) []byte {
	b.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		p, err := os.ReadFile(path)
		if err != nil || len(p) > sampleSize/4 {
			return nil
		}
		if err := w.WriteHeader(&tar.Header{Name: path, Size: int64(len(p)), Mode: 0o644}); err != nil {
			return err
		}
		if _, err = w.Write(p); err == nil && buf.Len() > sampleSize {
			err = fs.SkipAll
		}
		return err
	})
	if err != nil || buf.Len() < 1<<20 {
		b.Skipf("%s: %d bytes, %v", root, buf.Len(), err)
	}
	return buf.Bytes()
}

// BenchmarkReader compares decoders by processor time, the best of all rounds: that is steadier than time where others work
// on the same machine.
func BenchmarkReader(b *testing.B) {
	here, their, std := NewReader(nil), new(kgzip.Reader), new(gzip.Reader)
	defer here.Close()
	decoders := []struct {
		name  string
		reset func(io.Reader) io.Reader
	}{
		{"inflate", func(r io.Reader) io.Reader { here.Reset(r); return here }},
		{"klauspost", func(r io.Reader) io.Reader { their.Reset(r); return their }},
		{"compress", func(r io.Reader) io.Reader { std.Reset(r); return std }},
	}
	for name, p := range samples(b) {
		z := compress(b, compressors()["gzip 6"], p)
		for _, d := range decoders {
			b.Run(name+"/"+d.name, func(b *testing.B) {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				best := 0.0
				for b.Loop() {
					before := processorTime(b)
					n, err := io.Copy(io.Discard, d.reset(bytes.NewReader(z)))
					if n != int64(len(p)) || err != nil {
						b.Fatal(n, err)
					}
					best = max(best, float64(n)*1e3/float64(processorTime(b)-before))
				}
				b.ReportMetric(best, "MB/s")
			})
		}
	}
}

// processorTime is that of this thread, in nanoseconds.
func processorTime(b *testing.B) int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return t.Nano()
}
