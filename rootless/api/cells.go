package api

import (
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// The cells of the kinds but Pod, in the words of the API server's printers (kubernetes, pkg/printers/internalversion/printers.go).

func configMapCells(c *corev1.ConfigMap, now time.Time) []any {
	return []any{c.Name, strconv.Itoa(len(c.Data) + len(c.BinaryData)), age(c.CreationTimestamp, now)}
}

const unset = "<unset>"

func claimCells(c *corev1.PersistentVolumeClaim, now time.Time) []any {
	phase, capacity, modes, class, attributes, mode := string(c.Status.Phase), "", "", "", unset, unset
	if c.DeletionTimestamp != nil {
		phase = "Terminating"
	}
	if c.Spec.VolumeName != "" { // it is bound
		storage := c.Status.Capacity[corev1.ResourceStorage]
		capacity, modes = storage.String(), accessModes(c.Status.AccessModes)
	}
	if name := c.Spec.StorageClassName; name != nil {
		class = *name
	}
	if name := c.Spec.VolumeAttributesClassName; name != nil {
		attributes = *name
	}
	if m := c.Spec.VolumeMode; m != nil {
		mode = string(*m)
	}
	return []any{c.Name, phase, c.Spec.VolumeName, capacity, modes, class, attributes, age(c.CreationTimestamp, now), mode}
}

// accessModes are the modes in short: RWO,ROX.
func accessModes(modes []corev1.PersistentVolumeAccessMode) string {
	var short []string
	for _, mode := range []struct {
		name  corev1.PersistentVolumeAccessMode
		short string
	}{
		{corev1.ReadWriteOnce, "RWO"}, {corev1.ReadOnlyMany, "ROX"}, {corev1.ReadWriteMany, "RWX"}, {corev1.ReadWriteOncePod, "RWOP"},
	} {
		if slices.Contains(modes, mode.name) {
			short = append(short, mode.short)
		}
	}
	return strings.Join(short, ",")
}
