package main

import (
	"testing"
	"time"
)

func TestParseProcessorTime(t *testing.T) {
	const rest = " S 1 1 1 0 -1 4194560 700 900 0 0 12 3 40 5 20 0 14 0 100 0 0\n"
	for name, want := range map[string]time.Duration{
		"7 (peapod)" + rest:      600 * time.Millisecond,
		"7 (a) b (1 2 3)" + rest: 600 * time.Millisecond,
		"7 (peapod) S 1 1":       0,
		"":                       0,
		"7 (p) S 1 1 1 0 -1 0 0 0 0 0 x 3 40 5 20": 0,
	} {
		got, err := parseProcessorTime(name)
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("%q: %v, %v; want %v", name, got, err, want)
		}
	}
}
