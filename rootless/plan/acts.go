package plan

import (
	"errors"
	"fmt"
	"io"
)

// Acts are the operations of a Plan in words, by index: what is needed to tell a failure when the Plan itself is gone, as in
// a process that did not run it.
type Acts []string

// Acts returns them.
func (p *Plan) Acts() Acts {
	acts := make(Acts, len(p.ops))
	for i := range p.ops {
		acts[i] = p.ops[i].describe()
	}
	return acts
}

// Failure reads the report of an interpreter to its end. It is nil if the Plan has come to its execve, else an *Error.
func (a Acts) Failure(reports io.Reader) error {
	r, err := readReport(reports)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the interpreter's report: %w", err)
	}
	i := int(r.value / opSize)
	if i >= len(a) {
		return fmt.Errorf("the interpreter reports operation %d of %d: %w", i, len(a), r.errno)
	}
	return &Error{i, a[i], r.errno}
}
