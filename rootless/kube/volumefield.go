package kube

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// VolumeField is what a fieldRef in a volume refers to: unlike in a variable it may be all labels or all annotations, a line KEY="value" each
// (kubernetes/pkg/fieldpath).
func VolumeField(pod *corev1.Pod, fieldPath string) (string, error) {
	switch fieldPath {
	case "metadata.labels":
		return quotedLines(pod.Labels), nil
	case "metadata.annotations":
		return quotedLines(pod.Annotations), nil
	}
	return fieldValue(pod, fieldPath, Node{}, nil)
}

func quotedLines(values map[string]string) string {
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		lines = append(lines, key+"="+strconv.Quote(values[key]))
	}
	return strings.Join(lines, "\n")
}

// NestedMounts are the folders of a volume, relative to it, that containers mount other volumes on.
func NestedMounts(pod *corev1.Pod, volume string) []string {
	var folders []string
	for _, c := range Containers(pod) {
		for i := range c.VolumeMounts {
			outer := &c.VolumeMounts[i]
			if outer.Name != volume || outer.SubPath != "" || outer.SubPathExpr != "" {
				continue
			}
			above := strings.TrimSuffix(MountPoint(outer), "/") + "/"
			for j := range c.VolumeMounts {
				if below, ok := strings.CutPrefix(MountPoint(&c.VolumeMounts[j]), above); ok && below != "" {
					folders = append(folders, below)
				}
			}
		}
	}
	slices.Sort(folders)
	return slices.Compact(folders)
}

// MountPoint is where a mount is in its container, however that is written.
func MountPoint(m *corev1.VolumeMount) string { return path.Clean("/" + m.MountPath) }
