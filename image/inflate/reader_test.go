package inflate

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	kgzip "github.com/klauspost/compress/gzip"
)

// contents are what compressors meet, and what this decoder has a special case for.
func contents(t testing.TB) map[string][]byte {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 350<<10)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	elf, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	var skewed []byte // a literal is half as frequent as the one before: codes of 15 bits
	for range 330 << 10 {
		n := byte(0)
		for v := r.Uint64(); v&1 == 1; v >>= 1 {
			n++
		}
		skewed = append(skewed, 'A'+3*n)
	}
	m := map[string][]byte{
		"empty":  nil,
		"byte":   {'x'},
		"noise":  noise,
		"elf":    elf[:min(len(elf), 600<<10)],
		"zeros":  make([]byte, 700<<10),
		"skewed": skewed,
		"text":   []byte(strings.Repeat("of the people, by the people, for the people. ", 8000)),
		// Matches from as far as they go, across the places where the window moves.
		"far": bytes.Repeat(noise[:history], 11),
	}
	for n := 1; n <= 33; n++ { // matches of every short distance
		m["period"] = append(m["period"], bytes.Repeat(noise[n<<8:n<<8+n], 3000/n)...)
	}
	return m
}

type compressor func(io.Writer) io.WriteCloser

func compressors() map[string]compressor {
	m := map[string]compressor{}
	for level := gzip.HuffmanOnly; level <= gzip.BestCompression; level++ {
		m[fmt.Sprint("gzip ", level)] = func(w io.Writer) io.WriteCloser {
			z, _ := gzip.NewWriterLevel(w, level)
			return z
		}
	}
	for _, level := range []int{kgzip.StatelessCompression, kgzip.HuffmanOnly, 1, 3, 5, 7, 9} {
		m[fmt.Sprint("klauspost ", level)] = func(w io.Writer) io.WriteCloser {
			z, _ := kgzip.NewWriterLevel(w, level)
			return z
		}
	}
	return m
}

func compress(t testing.TB, c compressor, p []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := c(&b)
	if _, err := w.Write(p); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// small is p as compress/gzip packs it.
func small(t testing.TB, p string) []byte {
	return compress(t, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }, []byte(p))
}

func readAll(r io.Reader) ([]byte, error) {
	d := NewReader(r)
	defer d.Close()
	return io.ReadAll(d)
}

func TestCompressors(t *testing.T) {
	d := NewReader(nil) // the same one for all: nothing may be left of the previous file
	defer d.Close()
	data := contents(t)
	for name, c := range compressors() {
		t.Run(name, func(t *testing.T) {
			for content, p := range data {
				d.Reset(bytes.NewReader(compress(t, c, p)))
				got, err := io.ReadAll(d)
				if err != nil || !bytes.Equal(got, p) {
					t.Errorf("%s: %d of %d bytes, %v", content, len(got), len(p), err)
				}
			}
		})
	}
}

// ragged hands out pieces of random sizes, now and then an empty one.
type ragged struct {
	r io.Reader
	n *rand.Rand
}

func (r ragged) Read(p []byte) (int, error) {
	return r.r.Read(p[:min(len(p), r.n.IntN(1<<r.n.IntN(17)))])
}

func TestSources(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	sources := map[string]func(io.Reader) io.Reader{
		"one byte": iotest.OneByteReader,
		"data+EOF": iotest.DataErrReader,
		"ragged":   func(r io.Reader) io.Reader { return ragged{r, random} },
	}
	for content, p := range contents(t) {
		z := compress(t, compressors()["gzip 6"], p)
		for name, source := range sources {
			got, err := readAll(source(bytes.NewReader(z)))
			if err != nil || !bytes.Equal(got, p) {
				t.Errorf("%s, %s: %d of %d bytes, %v", content, name, len(got), len(p), err)
			}
		}
		got, err := io.ReadAll(ragged{NewReader(bytes.NewReader(z)), random})
		if err != nil || !bytes.Equal(got, p) {
			t.Errorf("%s, ragged reads: %d of %d bytes, %v", content, len(got), len(p), err)
		}
		var all bytes.Buffer
		n, err := NewReader(bytes.NewReader(z)).WriteTo(&all)
		if err != nil || n != int64(len(p)) || !bytes.Equal(all.Bytes(), p) {
			t.Errorf("%s, WriteTo: %d of %d bytes, %v", content, n, len(p), err)
		}
	}
}

func TestSourceError(t *testing.T) {
	p := contents(t)["elf"]
	z := compress(t, compressors()["gzip 6"], p)
	for _, cut := range []int{0, 5, 1000, len(z) / 2, len(z) - 4, len(z)} {
		got, err := readAll(io.MultiReader(bytes.NewReader(z[:cut]), iotest.ErrReader(os.ErrDeadlineExceeded)))
		if err != os.ErrDeadlineExceeded {
			t.Errorf("cut at %d: %v", cut, err)
		}
		if !bytes.HasPrefix(p, got) || len(got) < cut-1<<10 {
			t.Errorf("cut at %d: %d bytes, not what comes before", cut, len(got))
		}
	}
	_, err := readAll(iotest.ErrReader(nil))
	if err != io.ErrNoProgress {
		t.Errorf("a source that gives nothing: %v", err)
	}
}

func TestWriteToFails(t *testing.T) {
	p := contents(t)["far"]
	z := compress(t, compressors()["gzip 6"], p)
	d := NewReader(bytes.NewReader(z))
	defer d.Close()
	n, err := d.WriteTo(shortWriter{})
	if n != 100 || err != io.ErrShortWrite {
		t.Errorf("%d, %v", n, err)
	}
	rest, err := io.ReadAll(d)
	if err != nil || !bytes.Equal(rest, p[100:]) {
		t.Errorf("after it: %d bytes, %v", len(rest), err)
	}
}

type shortWriter struct{}

func (shortWriter) Write(p []byte) (int, error) { return min(100, len(p)), nil }

func TestClose(t *testing.T) {
	d := NewReader(bytes.NewReader(small(t, "x")))
	for range 2 {
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Read(make([]byte, 1)); err != ErrClosed {
		t.Errorf("Read: %v", err)
	}
	if _, err := d.WriteTo(io.Discard); err != ErrClosed {
		t.Errorf("WriteTo: %v", err)
	}
	d.Reset(bytes.NewReader(small(t, "again")))
	got, err := io.ReadAll(d)
	if string(got) != "again" || err != nil {
		t.Errorf("after Reset: %q, %v", got, err)
	}
	d.Close()
}
