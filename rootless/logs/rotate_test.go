package logs

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A clock goes on by a second at each look, unless it stands.
type clock struct {
	now   time.Time
	stand bool
}

func (c *clock) read() time.Time {
	if !c.stand {
		c.now = c.now.Add(time.Second)
	}
	return c.now
}

// rotating opens a log that is rotated when it has more than size bytes.
func rotating(t *testing.T, p place, size int64, files int, c *clock) *File {
	t.Helper()
	f, err := Open(p.log(), p.journal(), Rotation{size, files})
	if err != nil {
		t.Fatal(err)
	}
	f.now = c.read
	return f
}

func appendLine(t *testing.T, f *File, line string) {
	t.Helper()
	records, used := appendRecords(nil, someTime, Stdout, []byte(line+"\n"), maxRecords)
	if err := f.append(0, records, used); err != nil {
		t.Fatal(err)
	}
	f.work.Wait()
}

// files are the log's, by what is added to its name, with what they hold, unpacked.
func files(t *testing.T, p place) map[string]string {
	t.Helper()
	found := map[string]string{}
	paths, err := filepath.Glob(p.log() + "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var r io.Reader = f
		if strings.HasSuffix(path, gzSuffix) {
			if r, err = gzip.NewReader(f); err != nil {
				t.Fatal(err)
			}
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for line := range bytes.Lines(text) {
			rec, err := parseRecord(line)
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, string(rec.payload))
		}
		found[strings.TrimPrefix(path, p.log())] = strings.Join(lines, " ")
	}
	return found
}

func checkFiles(t *testing.T, p place, want map[string]string) {
	t.Helper()
	if got := files(t, p); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q, want %q", got, want)
	}
}

var newYear = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestRotate(t *testing.T) {
	p := newPlace(t)
	f := rotating(t, p, 100, 4, &clock{now: newYear})
	defer f.Close()
	for i := range 3 {
		appendLine(t, f, fmt.Sprint("line ", i)) // 48 bytes: two make a file
	}
	checkFiles(t, p, map[string]string{"": "line 2", ".20260101-000001": "line 0 line 1"})
	for i := range 7 {
		appendLine(t, f, fmt.Sprint("line ", i+3))
	}
	// The newest is not compressed, for a reader may be at it; the oldest is gone.
	checkFiles(t, p, map[string]string{
		"": "line 8 line 9", ".20260101-000004": "line 6 line 7", ".20260101-000003.gz": "line 4 line 5", ".20260101-000002.gz": "line 2 line 3",
	})
	if err := errors.Join(f.Close(), Remove(p.log())); err != nil {
		t.Fatal(err)
	}
	checkFiles(t, p, map[string]string{})
}

// Names sort by age, however fast a log is full and wherever the clock goes.
func TestRotateWithinASecond(t *testing.T) {
	p := newPlace(t)
	c := &clock{now: newYear, stand: true}
	f := rotating(t, p, 10, 9, c)
	defer f.Close()
	for i := range 4 {
		appendLine(t, f, fmt.Sprint(i))
	}
	c.now = newYear.Add(-time.Hour)
	appendLine(t, f, "4")
	c.now = newYear.Add(time.Hour)
	appendLine(t, f, "5")
	// Those of the last second are not compressed, until the next rotation.
	checkFiles(t, p, map[string]string{
		"": "5", ".20260101-000000.gz": "0", ".20260101-000000.000001.gz": "1", ".20260101-000000.000002.gz": "2", ".20260101-000000.000003.gz": "3",
		".20260101-010000": "4",
	})
}

func TestIsStamp(t *testing.T) {
	for s, want := range map[string]bool{
		"20260101-000000": true, "20260101-000000.000001": true, "new": false, "": false, "20260101-000000.1": false,
		"20260101-000000.tmp": false, "20260101-000000.00000x": false, "20261301-000000": false,
	} {
		if isStamp(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}

// What a process leaves that dies in the midst of a rotation or a compression, and what the next one makes of it.
func TestTidy(t *testing.T) {
	const stamp, older = ".20260101-000001", ".20260101-000000"
	for name, left := range map[string]func(path string) error{
		"linked": func(path string) error { return os.Link(path, path+stamp) },
		"the next one made": func(path string) error {
			return errors.Join(os.Link(path, path+stamp), os.WriteFile(path+newSuffix, nil, 0o600))
		},
		"compressed in part": func(path string) error { return os.WriteFile(path+older+tmpSuffix, []byte("x"), 0o600) },
		"compressed, not removed": func(path string) error {
			copied, err := os.ReadFile(path + older)
			if err != nil {
				return err
			}
			// Once more: the second time it takes the place of the first.
			return errors.Join(compress(context.Background(), path+older), os.WriteFile(path+older, copied, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			f := rotating(t, p, 100, 4, &clock{now: newYear.Add(-time.Second)})
			for i := range 3 {
				appendLine(t, f, fmt.Sprint("line ", i))
			}
			if err := errors.Join(f.Close(), left(p.log())); err != nil {
				t.Fatal(err)
			}
			f = rotating(t, p, 100, 4, &clock{now: newYear})
			appendLine(t, f, "line 3")
			appendLine(t, f, "line 4")
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			got := files(t, p)
			if got[older]+got[older+gzSuffix] != "line 0 line 1" || got[stamp] != "line 2 line 3" || got[""] != "line 4" || len(got) != 3 {
				t.Errorf("%q", got)
			}
		})
	}
}

// A log that cannot be rotated goes on.
func TestRotateFails(t *testing.T) {
	p := newPlace(t)
	f := rotating(t, p, 10, 4, &clock{now: newYear})
	defer f.Close()
	appendLine(t, f, "one")
	if err := os.Mkdir(p.log()+newSuffix, 0o700); err != nil { // in the way
		t.Fatal(err)
	}
	appendLine(t, f, "two")
	if err := os.Remove(p.log() + newSuffix); err != nil {
		t.Fatal(err)
	}
	checkFiles(t, p, map[string]string{"": "one two"})
	appendLine(t, f, "three")
	if got := files(t, p); got[""] != "three" || len(got) != 2 {
		t.Errorf("%q", got)
	}
}

// A follower sees each line once, over any number of rotations, if it is not slower than they are.
func TestFollowRotation(t *testing.T) {
	p := newPlace(t)
	f := rotating(t, p, 500, 3, &clock{now: newYear})
	appendLine(t, f, "0")
	var got sink
	done, result := make(chan struct{}), make(chan error)
	go func() { result <- Read(context.Background(), p.log(), Options{Follow: true}, &got, done) }()
	var want strings.Builder
	want.WriteString("0\n")
	for i := 1; i < 200; i++ {
		appendLine(t, f, fmt.Sprint(i))
		fmt.Fprintln(&want, i)
		if i%10 == 0 { // 10 lines are a file
			eventually(t, "the lines are passed on", func() bool { return got.String() == want.String() })
		}
	}
	f.Close()
	close(done)
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	if got.String() != want.String() {
		t.Errorf("%q", got.String())
	}
	if n := len(files(t, p)); n != 3 {
		t.Errorf("%d files", n)
	}
}

// One that is too slow misses what is gone, but not the order.
func TestFollowBehind(t *testing.T) {
	p := newPlace(t)
	f := rotating(t, p, 100, 3, &clock{now: newYear})
	defer f.Close()
	appendLine(t, f, "0")
	log, err := os.Open(p.log())
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for i := 1; i < 10; i++ {
		appendLine(t, f, fmt.Sprint(i))
	}
	done := make(chan struct{})
	close(done)
	var got sink
	out := newPrinter(Options{}, &got)
	if err := errors.Join(follow(context.Background(), p.log(), &log, 0, out, done), out.flush()); err != nil {
		t.Fatal(err)
	}
	if want := "0\n1\n6\n7\n8\n9\n"; got.String() != want {
		t.Errorf("%q, want %q", got.String(), want)
	}
}

// Kills at any time lose nothing when logs rotate, either: all files together have every line.
func TestKillRotating(t *testing.T) {
	p := newPlace(t)
	stdout, stderr := p.container(t)
	stderr.Close()
	f, err := os.OpenFile(p.fifo(Stdout), os.O_RDONLY|0x800, 0) // O_NONBLOCK
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	stop := make(chan struct{})
	var lines int
	var writer sync.WaitGroup
	writer.Go(func() { lines = chatter(stdout, stop) })
	t.Setenv("PEAPOD_TEST_ROTATE", "yes")
	for range 15 {
		c := p.copier()
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Millisecond)
		c.Process.Kill()
		c.Wait()
	}
	last := p.copier()
	if err := last.Start(); err != nil {
		t.Fatal(err)
	}
	close(stop)
	writer.Wait()
	stdout.Close()
	if err := last.Wait(); err != nil {
		t.Fatal(err)
	}
	all, err := rotatedLogs(p.log())
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, path := range append(paths(all), p.log()) {
		if err := readAny(path, &text); err != nil {
			t.Fatal(err)
		}
	}
	checkComplete(t, text.String(), lines)
	t.Logf("%d lines in %d files", lines, len(all)+1)
}

func paths(all []rotated) (list []string) {
	for _, r := range all {
		list = append(list, r.path)
	}
	return list
}

// readAny reads a log that may be compressed.
func readAny(path string, to *bytes.Buffer) error {
	if !strings.HasSuffix(path, gzSuffix) {
		return Read(context.Background(), path, Options{}, to, nil)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return err
	}
	plain := path + ".plain"
	defer os.Remove(plain)
	return errors.Join(os.WriteFile(plain, text, 0o600), Read(context.Background(), plain, Options{}, to, nil))
}

func TestTap(t *testing.T) {
	var tap Tap
	l := tap.Listen()
	defer l.Close()
	tap.put(Stdout, []byte("a"))
	tap.put(Stdout, []byte("b"))
	tap.put(Stderr, []byte("c"))
	want := []Heard{{Stdout, []byte("ab"), 0}, {Stderr, []byte("c"), 0}}
	if got := l.Next(t.Context()); !slices.EqualFunc(got, want, sameHeard) {
		t.Errorf("%v", got)
	}
	// One that does not listen loses what is too much, and is told where.
	chunk := bytes.Repeat([]byte("x"), 100<<10)
	for range 5 {
		tap.put(Stdout, chunk)
	}
	if got := l.Next(t.Context()); len(got) != 1 || len(got[0].Bytes) != 2*len(chunk) {
		t.Errorf("%d pieces", len(got))
	}
	tap.put(Stdout, []byte("d"))
	if got := l.Next(t.Context()); !slices.EqualFunc(got, []Heard{{Stdout, []byte("d"), 3 * len(chunk)}}, sameHeard) {
		t.Errorf("%v", got)
	}
	tap.put(Stdout, []byte("last"))
	tap.close()
	if got := l.Next(t.Context()); len(got) != 1 {
		t.Errorf("%v", got)
	}
	if got := l.Next(t.Context()); got != nil {
		t.Errorf("after the end: %v", got)
	}
	if got := tap.Listen().Next(t.Context()); got != nil {
		t.Errorf("late: %v", got)
	}
}

func sameHeard(a, b Heard) bool {
	return a.Stream == b.Stream && a.Lost == b.Lost && bytes.Equal(a.Bytes, b.Bytes)
}
