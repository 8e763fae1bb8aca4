package main

import (
	"io"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// describeSecret prints what `kubectl describe secret` prints, but nothing of the data, not even a token.
func describeSecret(w io.Writer, s *corev1.Secret) error {
	p := newPage(w)
	p.head(s)
	p.line(0, "")
	p.line(0, "Type:\t%s", s.Type)
	p.line(0, "")
	p.line(0, "Data")
	p.line(0, "====")
	for _, key := range slices.Sorted(maps.Keys(s.Data)) {
		p.line(0, "%s:\t%d bytes", key, len(s.Data[key]))
	}
	return p.w.Flush()
}
