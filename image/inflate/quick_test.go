package inflate

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"runtime"
	"testing"

	kgzip "github.com/klauspost/compress/gzip"
	"golang.org/x/sys/unix"
)

func corpora(t testing.TB) map[string][]byte {
	m := map[string][]byte{}
	for _, n := range []string{"text", "elf", "gz", "layer"} {
		b, err := os.ReadFile("/tmp/infl/" + n)
		if err != nil {
			t.Skip(err)
		}
		m[n] = b
	}
	m["zeros"] = make([]byte, 32<<20)
	return m
}

func TestQuick(t *testing.T) {
	for name, data := range corpora(t) {
		for _, level := range []int{0, 1, 6, 9, -2} {
			var z bytes.Buffer
			w, _ := gzip.NewWriterLevel(&z, level)
			w.Write(data[:min(len(data), 8<<20)])
			w.Close()
			got, err := io.ReadAll(NewReader(&z))
			if err != nil || !bytes.Equal(got, data[:min(len(data), 8<<20)]) {
				t.Errorf("%s %d: %v", name, level, err)
			}
		}
	}
}

func BenchmarkQ(b *testing.B) {
	for _, name := range []string{"text", "elf", "gz", "layer"} {
		z, err := os.ReadFile("/tmp/infl/" + name + ".gz")
		if err != nil {
			b.Skip(err)
		}
		st, _ := os.Stat("/tmp/infl/" + name)
		run := func(lib string, f func(r io.Reader) io.Reader) {
			b.Run(name+"/"+lib, func(b *testing.B) {
				runtime.LockOSThread()
				best := 0.0
				for b.Loop() {
					var t0, t1 unix.Rusage
					unix.Getrusage(unix.RUSAGE_THREAD, &t0)
					n, err := io.Copy(io.Discard, f(bytes.NewReader(z)))
					unix.Getrusage(unix.RUSAGE_THREAD, &t1)
					if err != nil || n != st.Size() {
						b.Fatal(n, err)
					}
					best = max(best, float64(n)/1e6/(float64(t1.Utime.Nano()+t1.Stime.Nano()-t0.Utime.Nano()-t0.Stime.Nano())/1e9))
				}
				b.ReportMetric(best, "MB/s")
			})
		}
		r := NewReader(nil)
		run("inflate", func(z io.Reader) io.Reader { r.Reset(z); return r })
		if os.Getenv("ALL") != "" {
			var kr kgzip.Reader
			run("klauspost", func(z io.Reader) io.Reader { kr.Reset(z); return &kr })
			var gr gzip.Reader
			run("std", func(z io.Reader) io.Reader { gr.Reset(z); return &gr })
		}
	}
}
