package main

import (
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/docker/go-units"
	"golang.org/x/term"

	"github.com/peapod/peapod/rootless/api"
)

// progress shows a transfer; update and finish are called from one goroutine.
type progress interface {
	update(line api.PullProgress)
	finish()
}

// progress chooses the form by where standard error goes.
func (a *app) progress(quiet bool) progress {
	if quiet {
		return noProgress{}
	}
	file, ok := a.err.(*os.File)
	if ok && a.getenv("TERM") != "dumb" && a.getenv("TERM") != "" && term.IsTerminal(int(file.Fd())) {
		return newBars(file, func() (width, height int) {
			width, height, _ = term.GetSize(int(file.Fd())) // 0, 0 if it does not say
			return width, height
		})
	}
	return newLineProgress(a.err)
}

type noProgress struct{}

func (noProgress) update(api.PullProgress) {}
func (noProgress) finish()                 {}

// lineProgress has a line for each message and for each layer that is done.
type lineProgress struct {
	out  io.Writer
	done map[string]bool
}

func newLineProgress(out io.Writer) *lineProgress { return &lineProgress{out, map[string]bool{}} }

func (l *lineProgress) update(line api.PullProgress) {
	switch {
	case line.Layer == "" && line.Message != "":
		fmt.Fprintln(l.out, printable(line.Message))
	case line.Layer != "" && line.Done && !l.done[line.Layer]:
		l.done[line.Layer] = true
		fmt.Fprintln(l.out, shortID(line.Layer)+": "+doneText(line))
	}
}

func (l *lineProgress) finish() {}

// doneText is how a layer ended, with its size if that is known.
func doneText(line api.PullProgress) string {
	text := "done"
	if line.Message != "" {
		text = printable(line.Message)
	}
	if size := max(line.Total, line.Offset); size > 0 {
		text += ", " + humanSize(size)
	}
	return text
}

func humanSize(n int64) string { return units.HumanSizeWithPrecision(float64(n), 3) }

// sending shows beside the layers how much of an archive has been sent. Its Read is called while the node answers.
type sending struct {
	r    io.Reader
	mu   sync.Mutex // over the progress
	to   progress
	sent int64
	size int64 // of the archive; -1 if unknown
}

func (s *sending) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.sent += int64(n)
	s.update(api.PullProgress{Layer: "archive", Offset: s.sent, Total: s.size, Done: err != nil, Message: "read"})
	return n, err
}

func (s *sending) update(line api.PullProgress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to.update(line)
}

func (s *sending) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to.finish()
	s.to = noProgress{} // a Read may still be under way
}
