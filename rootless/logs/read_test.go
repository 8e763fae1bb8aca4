package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func logFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "0.log")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const someLog = `2026-01-01T00:00:01.000000000Z stdout F one
2026-01-01T00:00:02.000000000Z stderr F oops
2026-01-01T00:00:03.000000000Z stdout P tw
not a record
2026-01-01T00:00:04.000000000Z stdout P o an
2026-01-01T00:00:05.000000000Z stdout F d more
2026-01-01T00:00:06.000000000Z stdout F 
2026-01-01T00:00:07.000000000Z stderr P prompt: 
2026-01-01T00:00:08.000000000Z stdout F torn`

func TestRead(t *testing.T) {
	n := func(i int64) *int64 { return &i }
	at := func(second int) time.Time { return time.Date(2026, 1, 1, 0, 0, second, 0, time.UTC) }
	path := logFile(t, someLog)
	for name, c := range map[string]struct {
		o    Options
		want string
	}{
		"all":             {Options{}, "one\noops\ntwo and more\n\nprompt: "},
		"stdout":          {Options{Stream: Stdout}, "one\ntwo and more\n\n"},
		"stderr":          {Options{Stream: Stderr}, "oops\nprompt: "},
		"since":           {Options{Since: at(5)}, "d more\n\nprompt: "},
		"tail 0":          {Options{Tail: n(0)}, ""},
		"tail 1":          {Options{Tail: n(1)}, "prompt: "},
		"tail 2":          {Options{Tail: n(2)}, "\nprompt: "},
		"tail 3":          {Options{Tail: n(3)}, "two and more\n\nprompt: "},
		"tail 100":        {Options{Tail: n(100)}, "one\noops\ntwo and more\n\nprompt: "},
		"tail of stdout":  {Options{Tail: n(2), Stream: Stdout}, "two and more\n\n"},
		"tail and since":  {Options{Tail: n(3), Since: at(6)}, "\nprompt: "},
		"limit":           {Options{LimitBytes: n(6)}, "one\noo"},
		"limit at an end": {Options{LimitBytes: n(4)}, "one\n"},
		"timestamps": {Options{Timestamps: true, Tail: n(2)},
			"2026-01-01T00:00:06.000000000Z \n2026-01-01T00:00:07.000000000Z prompt: "},
		"timestamps of joined pieces": {Options{Timestamps: true, Stream: Stdout, Since: at(3), LimitBytes: n(44)},
			"2026-01-01T00:00:03.000000000Z two and more\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Read(context.Background(), path, c.o, &b, nil); err != nil {
				t.Fatal(err)
			}
			if b.String() != c.want {
				t.Errorf("%q, want %q", b.String(), c.want)
			}
		})
	}
}

func TestReadErrors(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "0.log")
	if err := Read(context.Background(), missing, Options{}, io.Discard, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing log: %v", err)
	}
	r, w := io.Pipe()
	r.Close()
	if err := Read(context.Background(), logFile(t, someLog), Options{}, w, nil); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("reader gone: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Read(ctx, logFile(t, someLog), Options{Follow: true}, io.Discard, nil); err != nil {
		t.Errorf("context ended: %v", err)
	}
}

// tail against the obvious way, on logs larger than its blocks.
func TestTailRandom(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 1))
		var text strings.Builder
		var lines []string
		for i := range 1 + r.IntN(300) {
			payload := strings.Repeat("x", r.IntN(1+r.IntN(3000)))
			for range r.IntN(3) {
				fmt.Fprintf(&text, "%s stdout P %s\n", someStamp, payload)
			}
			fmt.Fprintf(&text, "%s stdout F %d\n", someStamp, i)
			lines = append(lines, fmt.Sprint(i))
		}
		if r.IntN(2) == 0 {
			fmt.Fprintf(&text, "%s stdout P unfinished\n", someStamp)
			lines = append(lines, "unfinished")
		}
		path := logFile(t, text.String())
		for _, n := range []int64{0, 1, 2, int64(len(lines)) - 1, int64(len(lines)), int64(len(lines)) + 1, r.Int64N(300)} {
			var b bytes.Buffer
			if err := Read(context.Background(), path, Options{Tail: &n}, &b, nil); err != nil {
				t.Fatal(err)
			}
			want := lines[max(0, len(lines)-int(n)):]
			got := strings.Split(strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "x", ""), "\n")
			if len(want) == 0 && b.Len() == 0 {
				continue
			}
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d, tail %d: %.200q, want %.200q", seed, n, got, want)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(someLog), int64(3))
	f.Fuzz(checkTail)
}

// checkTail reads a file of any bytes, whole and from near its end.
func checkTail(t *testing.T, log []byte, n int64) {
	path := logFile(t, string(log))
	var all, some bytes.Buffer
	if err := Read(context.Background(), path, Options{}, &all, nil); err != nil {
		t.Fatal(err)
	}
	if err := Read(context.Background(), path, Options{Tail: &n}, &some, nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasSuffix(all.Bytes(), some.Bytes()) {
		t.Errorf("the last %d lines %.200q are not the end of %.200q", n, some.String(), all.String())
	}
}

// Files that no log of ours looks like, larger than any buffer.
func TestReadGarbage(t *testing.T) {
	record := someStamp + " stdout F x\n"
	for _, log := range []string{
		strings.Repeat("x", 10*maxRecord),
		strings.Repeat("\n", 10*maxRecord),
		record + strings.Repeat("x", 10*maxRecord) + "\n" + record,
		record + strings.Repeat("x", 3*maxRecord) + "\n",
	} {
		for _, n := range []int64{0, 1, 2, 3} {
			checkTail(t, []byte(log), n)
		}
	}
}

// A sink is a Buffer that can be looked at while it is written to. It counts flushes.
type sink struct {
	mu      sync.Mutex
	b       bytes.Buffer
	flushes int
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *sink) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flushes++
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestFollow(t *testing.T) {
	p := newPlace(t)
	stdout, stderr := p.container(t)
	write(t, stdout, "one\n")
	copied := p.copying(context.Background())
	eventually(t, "the log is there", func() bool { _, err := os.Stat(p.log()); return err == nil })

	var got sink
	done, result := make(chan struct{}), make(chan error)
	go func() { result <- Read(context.Background(), p.log(), Options{Follow: true}, &got, done) }()
	eventually(t, "the first line is passed on", func() bool { return got.String() == "one\n" })
	write(t, stdout, "name: ")
	eventually(t, "a prompt is passed on", func() bool { return got.String() == "one\nname: " })

	write(t, stdout, "x\nlast\n")
	stdout.Close()
	stderr.Close()
	if err := copied(); err != nil {
		t.Fatal(err)
	}
	close(done)
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	if got.String() != "one\nname: x\nlast\n" || got.flushes == 0 {
		t.Errorf("%q, %d flushes", got.String(), got.flushes)
	}
}

func TestFollowByPolling(t *testing.T) {
	path := logFile(t, "")
	w := poll()
	defer w.close()
	if err := os.WriteFile(path, []byte(someLog), 0o600); err != nil {
		t.Fatal(err)
	}
	<-w.grown
}

// A record is passed on whole, although the log is read while it is written.
func TestFollowTornRecord(t *testing.T) {
	path := logFile(t, someStamp+" stdout F on")
	log, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	ctx, cancel := context.WithCancel(context.Background())
	var got sink
	result := make(chan error)
	go func() { result <- Read(ctx, path, Options{Follow: true}, &got, nil) }()
	write(t, log, "e\n"+someStamp+" stdo")
	eventually(t, "the first line is passed on", func() bool { return got.String() == "one\n" })
	write(t, log, "ut F two\n")
	eventually(t, "the second line is passed on", func() bool { return got.String() == "one\ntwo\n" })
	cancel()
	if err := <-result; err != nil {
		t.Error(err)
	}
}
