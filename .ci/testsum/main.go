// Command testsum makes the output of `go test -json`, given on standard input, readable: a line per package, everything a failed test
// said, the reason of each skip, and at the end how many tests there were.
//
//	go test -json ./... | go run ./.ci/testsum
//
// The exit status is 1 if a test or a package failed, or if no test passed: a run that tests nothing is not a success.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// event is one line of `go test -json` (go doc test2json), also of the build that goes before.
type event struct {
	Action      string
	Package     string
	ImportPath  string // of what is being built
	Test        string
	Output      string
	FailedBuild string
}

// summary is what has been counted, and the output of tests that have not ended yet.
type summary struct {
	w                       io.Writer
	pending                 map[[2]string]*strings.Builder // by package and test
	passed, failed, skipped int
	packages, badPackages   int
}

func main() {
	s := &summary{w: os.Stdout, pending: map[[2]string]*strings.Builder{}}
	if err := s.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(1)
	}
	os.Exit(s.finish())
}

func (s *summary) read(r io.Reader) error {
	for d := json.NewDecoder(r); ; {
		var e event
		switch err := d.Decode(&e); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read the output of go test -json: %w", err)
		}
		switch {
		case e.Action == "build-output":
			fmt.Fprint(s.w, e.Output)
		case e.Test != "":
			s.test(e)
		default:
			s.ofPackage(e)
		}
	}
}

func (s *summary) test(e event) {
	key := [2]string{e.Package, e.Test}
	switch e.Action {
	case "output":
		if s.pending[key] == nil {
			s.pending[key] = &strings.Builder{}
		}
		if !strings.HasPrefix(e.Output, "=== ") {
			s.pending[key].WriteString(e.Output)
		}
		return
	case "pass":
		s.passed++
	case "skip":
		s.skipped++
		s.flush(key)
	case "fail":
		s.failed++
		s.flush(key)
	default:
		return
	}
	delete(s.pending, key)
}

func (s *summary) flush(key [2]string) {
	if b := s.pending[key]; b != nil {
		fmt.Fprint(s.w, b.String())
	}
}

func (s *summary) ofPackage(e event) {
	switch e.Action {
	case "output":
		if e.Output != "PASS\n" {
			fmt.Fprint(s.w, e.Output)
		}
	case "pass":
		s.packages++
	case "fail":
		s.packages++
		s.badPackages++
		for key := range s.pending { // a test that ended the whole process
			if key[0] == e.Package {
				s.flush(key)
				delete(s.pending, key)
			}
		}
	}
}

// finish prints the summary and returns the exit status.
func (s *summary) finish() int {
	fmt.Fprintf(s.w, "\n%d tests passed, %d failed, %d skipped, in %d packages", s.passed, s.failed, s.skipped, s.packages)
	if s.badPackages > 0 {
		fmt.Fprintf(s.w, ", of which %d failed", s.badPackages)
	}
	fmt.Fprintln(s.w)
	switch {
	case s.failed > 0 || s.badPackages > 0:
		return 1
	case s.passed == 0:
		fmt.Fprintln(s.w, "no test was run")
		return 1
	}
	return 0
}
