package volume

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestUsage(t *testing.T) {
	place, outside := volumeFor(t)
	usage := func(most int64) int64 {
		t.Helper()
		used, err := Usage(t.Context(), place, most)
		if err != nil {
			t.Fatal(err)
		}
		return used
	}
	write := func(path string, size int) {
		t.Helper()
		if err := os.WriteFile(path, []byte(strings.Repeat("x", size)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := usage(math.MaxInt64)
	write(filepath.Join(outside, "secret"), 1<<20) // to which links lead
	if got := usage(math.MaxInt64); got != before {
		t.Errorf("with a file outside: %d, want %d", got, before)
	}
	file := filepath.Join(place, "in", "file")
	write(file, 1<<18)
	one := usage(math.MaxInt64)
	if one < before+1<<18 || one > before+1<<19 {
		t.Errorf("with a file of 256 KiB: %d after %d", one, before)
	}
	if err := os.Link(file, filepath.Join(place, "again")); err != nil {
		t.Fatal(err)
	}
	if got := usage(math.MaxInt64); got > one+1<<16 {
		t.Errorf("with two names: %d after %d", got, one)
	}
	for i := range 8 {
		write(filepath.Join(place, strings.Repeat("f", i+1)), 1<<18)
	}
	if got := usage(1 << 18); got <= 1<<18 || got > 1<<20 {
		t.Errorf("it does not stop beyond the limit: %d", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Usage(ctx, place, math.MaxInt64); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if used, err := Usage(t.Context(), filepath.Join(place, "none"), 1); used != 0 || err != nil {
		t.Errorf("of nothing: %d, %v", used, err)
	}
}

// TestUsageOfMuch: a folder with more names than are read at a time, and folders in folders without end.
func TestUsageOfMuch(t *testing.T) {
	place := t.TempDir()
	for i := range 3 * usageBatch {
		if err := os.WriteFile(filepath.Join(place, strconv.Itoa(i)), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	used, err := Usage(t.Context(), place, math.MaxInt64)
	if err != nil || used < 3*usageBatch*blockSize {
		t.Errorf("many names: %d, %v", used, err)
	}
	dir, err := os.OpenRoot(place)
	if err != nil {
		t.Fatal(err)
	}
	for range usageDepth + 100 {
		err := dir.Mkdir("in", 0o700)
		next, openErr := dir.OpenRoot("in")
		dir.Close()
		if err = errors.Join(err, openErr); err != nil {
			t.Fatal(err)
		}
		dir = next
	}
	dir.Close()
	if deep, err := Usage(t.Context(), place, math.MaxInt64); err != nil || deep < used {
		t.Errorf("many folders: %d after %d, %v", deep, used, err)
	}
}

// TestUsageOfSwaps: while names change between folders and links to the outside, nothing outside is counted.
func TestUsageOfSwaps(t *testing.T) {
	top := t.TempDir()
	place, outside := filepath.Join(top, "volume"), filepath.Join(top, "outside")
	for _, dir := range []string{place, outside} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	const secret = 16 << 20
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte(strings.Repeat("x", secret)), 0o600); err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		name := filepath.Join(place, "name")
		for {
			select {
			case <-stop:
				return
			default:
				_ = os.Mkdir(name, 0o700)
				_ = os.Remove(name)
				_ = os.Symlink(outside, name)
				_ = os.Remove(name)
			}
		}
	}()
	for range 2000 {
		if used, err := Usage(t.Context(), place, math.MaxInt64); err != nil || used >= secret {
			t.Errorf("%d, %v", used, err)
			break
		}
	}
	close(stop)
	<-done
}
