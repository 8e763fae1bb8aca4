package volume

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
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
