package slirp

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
)

// A tail is where a program writes to. It logs each line at debug level, and keeps the last ones for an error.
type tail struct {
	log     *slog.Logger
	program string

	mu      sync.Mutex
	partial []byte
	lines   []string
}

const (
	tailLines  = 4
	tailLength = 512 // of a line; what is longer is cut into lines
)

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range b {
		if c != '\n' {
			t.partial = append(t.partial, c)
		}
		if c == '\n' || len(t.partial) == tailLength {
			t.endLine()
		}
	}
	return len(b), nil
}

// endLine drops what is blank, and what pasta says about a machine without a system logger. Precondition: t.mu is held.
func (t *tail) endLine() {
	line := string(bytes.TrimSpace(t.partial))
	t.partial = t.partial[:0]
	if line == "" || strings.HasSuffix(line, "bytes to syslog") {
		return
	}
	t.log.LogAttrs(context.Background(), slog.LevelDebug, "said by "+t.program, slog.String("line", line))
	if t.lines = append(t.lines, line); len(t.lines) > tailLines {
		t.lines = t.lines[1:]
	}
}

// String is the end of an error: what the program said at last, if it did.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.endLine()
	if len(t.lines) == 0 {
		return ""
	}
	return ": " + strings.Join(t.lines, "; ")
}
