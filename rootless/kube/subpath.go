package kube

import (
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// SubPath is what a mount shows of its volume: subPath, or subPathExpr with the container's environment, from Environment, put in. It leads
// nowhere but down. Errors are the kubelet's.
func SubPath(m *corev1.VolumeMount, env []string) (string, error) {
	sub := m.SubPath
	if m.SubPathExpr != "" {
		values := map[string]string{}
		for _, variable := range env {
			name, value, _ := strings.Cut(variable, "=")
			values[name] = value
		}
		var missing []string
		sub = expand(m.SubPathExpr, func(name string) (string, bool) {
			value, ok := values[name]
			if !ok && strings.Contains(m.SubPathExpr, "$("+name+")") {
				missing = append(missing, name)
			}
			return value, ok
		})
		if len(missing) > 0 {
			return "", fmt.Errorf("missing value for %q", missing[0])
		}
	}
	switch {
	case path.IsAbs(sub):
		return "", fmt.Errorf("error SubPath `%s` must not be an absolute path", sub)
	case slices.Contains(strings.Split(sub, "/"), ".."):
		return "", fmt.Errorf("unable to provision SubPath `%s`: must not contain '..'", sub)
	}
	return sub, nil
}
