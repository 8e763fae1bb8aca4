package logs

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A place has what one container has: FIFOs, a journal and a log.
type place string

func (p place) fifo(name string) string { return filepath.Join(string(p), name) }
func (p place) log() string             { return filepath.Join(string(p), "pod", "0.log") }
func (p place) journal() string         { return filepath.Join(string(p), "journal") }

func newPlace(t testing.TB) place {
	t.Helper()
	p := place(t.TempDir())
	for _, name := range []string{Stdout, Stderr} {
		if err := unix.Mkfifo(p.fifo(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// container opens both FIFOs as a container does: read-write, so that writing never fails.
func (p place) container(t testing.TB) (stdout, stderr *os.File) {
	t.Helper()
	var files [2]*os.File
	for i, name := range []string{Stdout, Stderr} {
		fd, err := unix.Open(p.fifo(name), unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		files[i] = os.NewFile(uintptr(fd), name)
		t.Cleanup(func() { files[i].Close() })
	}
	return files[0], files[1]
}

// open is the node's first part; the function returned is the second: copy, close.
func (p place) open() (func(context.Context) error, error) {
	stdout, err := os.OpenFile(p.fifo(Stdout), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	stderr, err := os.OpenFile(p.fifo(Stderr), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		stdout.Close()
		return nil, err
	}
	rotation := Rotation{}
	if os.Getenv("PEAPOD_TEST_ROTATE") != "" {
		rotation = Rotation{200 << 10, 1 << 20}
	}
	log, err := Open(p.log(), p.journal(), rotation)
	if err != nil {
		stdout.Close()
		stderr.Close()
		return nil, err
	}
	return func(ctx context.Context) error {
		defer stdout.Close()
		defer stderr.Close()
		return errors.Join(Copy(ctx, stdout, stderr, log), log.Close())
	}, nil
}

func (p place) read(t testing.TB, stream string) string {
	t.Helper()
	var b bytes.Buffer
	if err := Read(context.Background(), p.log(), Options{Stream: stream}, &b, nil); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// copying copies in the background; the function returned waits for it. The FIFOs are open when it returns: from then on nothing is lost
// when the container closes its ends.
func (p place) copying(ctx context.Context) func() error {
	run, err := p.open()
	if err != nil {
		return func() error { return err }
	}
	result := make(chan error)
	go func() { result <- run(ctx) }()
	return func() error { return <-result }
}

func write(t testing.TB, w io.Writer, s string) {
	t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
}

// eventually waits for something that will be so.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	for range 5000 {
		if so() {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatalf("waited in vain: %s", what)
}

func TestCopy(t *testing.T) {
	p := newPlace(t)
	stdout, stderr := p.container(t)
	write(t, stdout, "before the node\n")
	done := p.copying(context.Background())
	big := strings.Repeat("0123456789abcdef", 20000) // five times what a pipe holds
	write(t, stdout, big+"\n")
	write(t, stderr, "no end")
	stdout.Close()
	stderr.Close()
	if err := done(); err != nil {
		t.Fatal(err)
	}
	if got, want := p.read(t, Stdout), "before the node\n"+big+"\n"; got != want {
		t.Errorf("stdout: %d bytes, want %d: %.100q…", len(got), len(want), got)
	}
	if got := p.read(t, Stderr); got != "no end" {
		t.Errorf("stderr: %q", got)
	}
}

// A prompt must be readable before it is answered.
func TestCopyPassesUnfinishedLines(t *testing.T) {
	p := newPlace(t)
	stdout, stderr := p.container(t)
	done := p.copying(context.Background())
	write(t, stdout, "line\nname: ")
	eventually(t, "the prompt is in the log", func() bool {
		_, err := os.Stat(p.log())
		return err == nil && p.read(t, "") == "line\nname: "
	})
	write(t, stdout, "x\n")
	stdout.Close()
	stderr.Close()
	if err := done(); err != nil {
		t.Fatal(err)
	}
	if got := p.read(t, ""); got != "line\nname: x\n" {
		t.Errorf("%q", got)
	}
}

// A writer can make its pipe keep packets apart, and larger than usual; neither may confuse.
func TestCopyStrangePipes(t *testing.T) {
	p := newPlace(t)
	stdout, stderr := p.container(t)
	if _, err := unix.FcntlInt(stdout.Fd(), unix.F_SETFL, unix.O_DIRECT); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(stderr.Fd(), unix.F_SETPIPE_SZ, 1<<20); err != nil {
		t.Log(err)
	}
	var want strings.Builder
	for i := range 10 {
		line := strings.Repeat("x", 300*i) + "\n"
		want.WriteString(line)
		write(t, stdout, line)
	}
	done := p.copying(context.Background())
	large := strings.Repeat(strings.Repeat("y", 99)+"\n", 20000)
	write(t, stderr, large)
	stdout.Close()
	stderr.Close()
	if err := done(); err != nil {
		t.Fatal(err)
	}
	if got := p.read(t, Stdout); got != want.String() {
		t.Errorf("packets: %d bytes, want %d", len(got), want.Len())
	}
	if got := p.read(t, Stderr); got != large {
		t.Errorf("large pipe: %d bytes, want %d", len(got), len(large))
	}
}

// A copy that is stopped leaves what it has not copied to the next one, even when the container never pauses.
func TestCopyStops(t *testing.T) {
	p := newPlace(t)
	stdout, stderr := p.container(t)
	const lines = 30000
	written := make(chan struct{})
	go func() {
		defer close(written)
		w := bufio.NewWriterSize(stdout, 4096)
		for i := range lines {
			fmt.Fprintln(w, i)
		}
		w.Flush()
	}()
	for finished := false; !finished; {
		ctx, cancel := context.WithCancel(context.Background())
		done := p.copying(ctx)
		select {
		case <-written:
			finished = true
			stdout.Close()
			stderr.Close()
			if err := done(); err != nil {
				t.Fatal(err)
			}
		case <-time.After(3 * time.Millisecond):
			cancel()
			if err := done(); !errors.Is(err, context.Canceled) {
				t.Fatalf("stopped copy: %v", err)
			}
		}
		cancel()
	}
	var want strings.Builder
	for i := range lines {
		fmt.Fprintln(&want, i)
	}
	if got := p.read(t, ""); got != want.String() {
		t.Errorf("%d bytes, want %d", len(got), want.Len())
	}
}

// Closing the files ends a copy too; that is no error.
func TestCopyClosed(t *testing.T) {
	p := newPlace(t)
	p.container(t)
	stdout, err := os.OpenFile(p.fifo(Stdout), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	log, err := Open(p.log(), p.journal(), Rotation{})
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error)
	go func() { result <- Copy(context.Background(), stdout, nil, log) }()
	time.Sleep(time.Millisecond)
	stdout.Close()
	if err := <-result; err != nil {
		t.Errorf("%v", err)
	}
}

func TestCopyToFullDisk(t *testing.T) {
	old := slog.Default()
	defer slog.SetDefault(old)
	var said bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&said, nil)))
	p := newPlace(t)
	stdout, stderr := p.container(t)
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	journal, err := openJournal(p.journal())
	if err != nil {
		t.Fatal(err)
	}
	log := &File{path: full.Name(), log: full, journal: journal, cancel: func() {}}
	defer log.Close()
	in, err := os.OpenFile(p.fifo(Stdout), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	result := make(chan error)
	go func() { result <- Copy(context.Background(), in, nil, log) }()
	write(t, stdout, strings.Repeat("line\n", 40000)) // blocks for ever if nobody reads
	stdout.Close()
	stderr.Close()
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	if log.dropped != 200000 || strings.Count(said.String(), "being dropped") != 1 {
		t.Errorf("%d bytes dropped, said %s", log.dropped, said.String())
	}
}

// The journal as each instant of a death leaves it: log and FIFO, and what the next node must make of them.
func TestRecover(t *testing.T) {
	const fifo = "one\ntwo\nthree\n"
	old := someStamp + " stdout F zero\n"
	batch := someStamp + " stdout F one\n" + someStamp + " stdout F two\n"
	note := entry{int64(len(old)), uint32(len(batch)), 8}
	for name, c := range map[string]struct {
		log     string
		journal entry
		fifo    string
		want    string
	}{
		"nothing noted":                 {old, entry{}, fifo, "zero\n" + fifo},
		"noted, not written":            {old, note, fifo, "zero\n" + fifo},
		"written in part":               {old + batch[:20], note, fifo, "zero\n" + fifo},
		"written up to a record":        {old + batch[:len(batch)/2], note, fifo, "zero\n" + fifo},
		"written":                       {old + batch, note, fifo, "zero\n" + fifo},
		"written, note gone":            {old + batch, entry{}, fifo, "zero\none\ntwo\n" + fifo},
		"taken out":                     {old + batch, entry{}, "three\n", "zero\n" + fifo},
		"a log of another kind":         {old + batch + batch, note, fifo, "zero\none\ntwo\none\ntwo\n" + fifo},
		"torn by power loss, no note":   {old + batch[:20], entry{}, fifo, "zero\n" + fifo},
		"a log that somebody cut short": {"", note, fifo, fifo},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			stdout, stderr := p.container(t)
			log, err := Open(p.log(), p.journal(), Rotation{})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(log.note(0, c.journal), log.Close(), os.WriteFile(p.log(), []byte(c.log), 0o600)); err != nil {
				t.Fatal(err)
			}
			write(t, stdout, c.fifo)
			done := p.copying(context.Background())
			eventually(t, "the FIFO is empty", func() bool {
				n, err := unix.IoctlGetInt(int(stdout.Fd()), unix.TIOCINQ)
				return err == nil && n == 0
			})
			stdout.Close()
			stderr.Close()
			if err := done(); err != nil {
				t.Fatal(err)
			}
			if got := p.read(t, ""); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestKill is the promise: a node that is killed again and again, at any time, loses no line. What comes twice is allowed where
// the kill fell between forgetting a batch and taking it out, once per kill at most.
func TestKill(t *testing.T) {
	if dir := os.Getenv("PEAPOD_TEST_COPY"); dir != "" {
		if err := place(dir).copying(context.Background())(); err != nil {
			t.Fatal(err)
		}
		return
	}
	p := newPlace(t)
	stdout, stderr := p.container(t)
	// What is in a FIFO goes when nobody has it open, and the last copier may be slow to come.
	for _, name := range []string{Stdout, Stderr} {
		f, err := os.OpenFile(p.fifo(name), os.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	stop := make(chan struct{})
	var lines [2]int
	var writers sync.WaitGroup
	writers.Go(func() { lines[0] = chatter(stdout, stop) })
	writers.Go(func() {
		// Blocks that end anywhere, as those of C programs do.
		w := bufio.NewWriterSize(stderr, 1000)
		lines[1] = chatter(w, stop)
		w.Flush()
	})
	const kills = 25
	for range kills {
		c := p.copier()
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(10+rand.IntN(20)) * time.Millisecond)
		c.Process.Kill()
		c.Wait()
	}
	last := p.copier()
	if err := last.Start(); err != nil {
		t.Fatal(err)
	}
	close(stop)
	writers.Wait()
	stdout.Close()
	stderr.Close()
	if err := last.Wait(); err != nil {
		t.Fatal(err)
	}
	jumps := checkSequence(t, p.read(t, Stdout), lines[0])
	if jumps > kills {
		t.Errorf("%d repeats for %d kills", jumps, kills)
	}
	checkComplete(t, p.read(t, Stderr), lines[1])
	t.Logf("%d and %d lines, %d kills, %d repeats on stdout", lines[0], lines[1], kills, jumps)
}

func (p place) copier() *exec.Cmd {
	c := exec.Command("/proc/self/exe", "-test.run=^TestKill$")
	c.Env = append(os.Environ(), "PEAPOD_TEST_COPY="+string(p))
	return c
}

// Long lines, so that much data means few of them.
var padding = strings.Repeat("x", 2000)

// chatter writes numbered lines, each in one call, until it is stopped.
func chatter(w io.Writer, stop <-chan struct{}) (lines int) {
	for {
		select {
		case <-stop:
			return lines
		default:
			fmt.Fprintf(w, "line %d %s\n", lines, padding)
			lines++
		}
	}
}

// numberOf reads a line of chatter; ok says that it is whole.
func numberOf(line string) (n int, ok bool) {
	digits, whole := strings.CutSuffix(line, " "+padding+"\n")
	if digits, ok = strings.CutPrefix(digits, "line "); !ok || !whole {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil
}

// checkSequence wants all lines whole and in order, but for jumps back, which it counts.
func checkSequence(t *testing.T, log string, lines int) (jumps int) {
	t.Helper()
	next := 0
	for line := range strings.Lines(log) {
		n, ok := numberOf(line)
		if !ok || n > next {
			t.Fatalf("after line %d: %.100q", next-1, line)
		}
		if n < next {
			jumps++
		}
		next = n + 1
	}
	if next != lines {
		t.Errorf("stdout: %d lines were written, the last in the log is %d", lines, next-1)
	}
	return jumps
}

// checkComplete wants each line to be there, whole. A repeated piece may stand before it.
func checkComplete(t *testing.T, log string, lines int) {
	t.Helper()
	seen := make([]bool, lines)
	for line := range strings.Lines(log) {
		if n, ok := numberOf(line[max(0, strings.LastIndex(line, "line ")):]); ok && n < lines {
			seen[n] = true
		}
	}
	if missing := slices.Index(seen, false); missing >= 0 {
		t.Errorf("stderr: line %d of %d is missing", missing, lines)
	}
}

func BenchmarkCopy(b *testing.B) {
	p := newPlace(b)
	stdout, stderr := p.container(b)
	done := p.copying(context.Background())
	line := bytes.Repeat([]byte(strings.Repeat("x", 99)+"\n"), 300)
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		stdout.Write(line)
	}
	stdout.Close()
	stderr.Close()
	if err := done(); err != nil {
		b.Fatal(err)
	}
}
