package main

import (
	"io"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// describeClaim prints what `kubectl describe pvc` prints of a claim.
func describeClaim(w io.Writer, c *corev1.PersistentVolumeClaim) error {
	p := newPage(w)
	p.line(0, "Name:\t%s", c.Name)
	p.line(0, "Namespace:\t%s", c.Namespace)
	class, mode := "", ""
	if c.Spec.StorageClassName != nil {
		class = *c.Spec.StorageClassName
	}
	if c.Spec.VolumeMode != nil {
		mode = string(*c.Spec.VolumeMode)
	}
	p.line(0, "StorageClass:\t%s", class)
	p.line(0, "Status:\t%s", c.Status.Phase)
	p.line(0, "Volume:\t%s", c.Spec.VolumeName)
	p.pairs("Labels", c.Labels, "=")
	p.annotations(c.Annotations)
	p.line(0, "Finalizers:\t[%s]", strings.Join(c.Finalizers, " "))
	capacity, modes := "", make([]string, len(c.Status.AccessModes))
	if storage, ok := c.Status.Capacity[corev1.ResourceStorage]; ok {
		capacity = storage.String()
	}
	for i, m := range c.Status.AccessModes {
		modes[i] = string(m)
	}
	p.line(0, "Capacity:\t%s", capacity)
	p.line(0, "Access Modes:\t%s", strings.Join(modes, ","))
	p.line(0, "VolumeMode:\t%s", mode)
	return p.w.Flush()
}
