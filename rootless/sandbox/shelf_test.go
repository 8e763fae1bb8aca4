package sandbox

import (
	"io"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func newTestShelf(t *testing.T) shelf {
	t.Helper()
	s, err := newShelf()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

// put puts the reading end of a pipe on the shelf and closes it, and returns the writing end.
func put(t *testing.T, s shelf, name string) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	t.Cleanup(func() { w.Close() })
	if err := s.put(name, r); err != nil {
		t.Fatal(err)
	}
	return w
}

// names goes once around and keeps everything.
func names(t *testing.T, s shelf) (all []string) {
	t.Helper()
	if err := s.lap(func(name string, _ int) bool { all = append(all, name); return true }); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestShelf(t *testing.T) {
	s := newTestShelf(t)
	a, b, c := put(t, s, "a/1"), put(t, s, "b/1"), put(t, s, "a/2")
	// The pipes have readers as long as these are on the shelf, and what is written waits in them.
	for _, w := range []*os.File{a, b, c} {
		if _, err := io.WriteString(w, "x"); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if got := names(t, s); !slices.Equal(got, []string{"a/1", "b/1", "a/2"}) {
			t.Fatalf("%q", got)
		}
	}
	err := s.lap(func(name string, fd int) bool {
		got := make([]byte, 2)
		if n, err := unix.Read(fd, got); n != 1 || err != nil {
			t.Errorf("%s: read %d bytes, %v", name, n, err)
		}
		return name == "b/1"
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := names(t, s); !slices.Equal(got, []string{"b/1"}) {
		t.Errorf("%q", got)
	}
	if _, err := io.WriteString(b, "x"); err != nil {
		t.Errorf("the one that was kept: %v", err)
	}
	if _, err := io.WriteString(a, "x"); err == nil {
		t.Error("the one that was taken off has a reader still")
	}
}

// Each instant at which a node may die while it goes around.
func TestShelfSurvivesALap(t *testing.T) {
	for name, dies := range map[string]func(shelf) error{
		"after its mark": func(s shelf) error { return s.send(lapMark + " 1") },
		"after it sent one again": func(s shelf) error {
			name, fds, err := s.take(unix.MSG_PEEK)
			defer closeAll(fds)
			if err != nil {
				return err
			}
			return s.send(name, fds...)
		},
		"after its mark came back": func(s shelf) error {
			_, err := 0, s.lap(func(string, int) bool { return true })
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestShelf(t)
			put(t, s, "a")
			put(t, s, "b")
			if err := dies(s); err != nil {
				t.Fatal(err)
			}
			got := names(t, s)
			slices.Sort(got)
			if got = slices.Compact(got); !slices.Equal(got, []string{"a", "b"}) {
				t.Errorf("%q", got)
			}
			err := s.lap(func(name string, _ int) bool { return name != "a" })
			if got := names(t, s); err != nil || !slices.Equal(slices.Compact(got), []string{"b"}) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func TestShelfFull(t *testing.T) {
	s := newTestShelf(t)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	n := 0
	for ; err == nil && n < 100_000; n++ {
		err = s.put("thing", null)
	}
	if err == nil || n < 100 {
		t.Errorf("%d things, then %v", n, err)
	}
	if got := len(names(t, s)); got != n-1 {
		t.Errorf("%d are there, of %d", got, n-1)
	}
	t.Logf("room for %d: %v", n-1, err)
}
