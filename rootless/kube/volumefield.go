package kube

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// VolumeField is what a fieldRef in a volume refers to: unlike in a variable it may be all labels or all annotations, a line KEY="value" each
// (kubernetes/pkg/fieldpath).
func VolumeField(pod *corev1.Pod, path string) (string, error) {
	switch path {
	case "metadata.labels":
		return quotedLines(pod.Labels), nil
	case "metadata.annotations":
		return quotedLines(pod.Annotations), nil
	}
	return fieldValue(pod, path, Node{}, nil)
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
			for _, inner := range c.VolumeMounts {
				below, ok := strings.CutPrefix(strings.TrimSuffix(inner.MountPath, "/"), strings.TrimSuffix(outer.MountPath, "/")+"/")
				if ok && below != "" {
					folders = append(folders, below)
				}
			}
		}
	}
	slices.Sort(folders)
	return slices.Compact(folders)
}
