package kube

import (
	"errors"
	"fmt"
)

// The bounds of what is read. etcd and the API server stop at 1.5 and 3 MB, so nothing that a cluster takes is refused.
const (
	maxBytes     = 10 << 20 // of a file, and of all strings in it after aliases are expanded
	maxDocuments = 10_000   // of a file
	maxDepth     = 100      // of a document
	maxValues    = 500_000  // of a file, after aliases are expanded
)

// errTooMuch is wrapped by every error about the bounds.
var errTooMuch = errors.New("too much")

// bounds is what may still be read of a file.
type bounds struct{ bytes, values int }

func (b *bounds) take(line, depth, bytes int) error {
	b.values--
	b.bytes -= bytes
	switch {
	case depth > maxDepth:
		return &Error{Line: line, Message: fmt.Sprintf("more than %d levels deep", maxDepth), cause: errTooMuch}
	case b.values < 0:
		return &Error{Line: line, Message: fmt.Sprintf("more than %d values, aliases expanded", maxValues), cause: errTooMuch}
	case b.bytes < 0:
		return &Error{Line: line, Message: fmt.Sprintf("more than %d MB, aliases expanded", maxBytes>>20), cause: errTooMuch}
	}
	return nil
}
