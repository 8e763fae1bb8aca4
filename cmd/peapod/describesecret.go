package main

import (
	"io"
	"maps"
	"slices"
	"text/tabwriter"

	corev1 "k8s.io/api/core/v1"
)

// describeSecret prints what `kubectl describe secret` prints, but nothing of the data, not even a token.
func describeSecret(w io.Writer, s *corev1.Secret) error {
	p := &page{w: tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)}
	p.line(0, "Name:\t%s", s.Name)
	p.line(0, "Namespace:\t%s", s.Namespace)
	p.pairs("Labels", s.Labels, "=")
	p.annotations(s.Annotations)
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
