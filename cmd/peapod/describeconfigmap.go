package main

import (
	"io"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// describeConfigMap prints what `kubectl describe configmap` prints, keys in order.
func describeConfigMap(w io.Writer, c *corev1.ConfigMap) error {
	p := newPage(w)
	p.head(c)
	p.line(0, "")
	p.line(0, "Data")
	p.line(0, "====")
	for _, key := range slices.Sorted(maps.Keys(c.Data)) {
		p.line(0, "%s:", key)
		p.line(0, "----")
		p.line(0, "%s", c.Data[key])
		p.line(0, "")
	}
	p.line(0, "")
	p.line(0, "BinaryData")
	p.line(0, "====")
	for _, key := range slices.Sorted(maps.Keys(c.BinaryData)) {
		p.line(0, "%s: %d bytes", key, len(c.BinaryData[key]))
	}
	p.line(0, "")
	p.line(0, "Events:  <none>")
	return p.w.Flush()
}
