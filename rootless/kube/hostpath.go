package kube

import (
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
)

// AbsoluteHostPaths makes the relative paths of a manifest's hostPath volumes absolute: they begin in dir, the folder of the manifest. It
// changes Object and Raw.
func (e *Entry) AbsoluteHostPaths(dir string) {
	pod, ok := e.Object.(*corev1.Pod)
	if !ok {
		return
	}
	changed := false
	for i := range pod.Spec.Volumes {
		host := pod.Spec.Volumes[i].HostPath
		if host == nil || host.Path == "" || filepath.IsAbs(host.Path) {
			continue
		}
		host.Path = filepath.Join(dir, host.Path)
		path := e.document.get("spec").get("volumes").items[i].get("hostPath").get("path")
		path.text, path.written = host.Path, host.Path
		changed = true
	}
	if changed {
		e.Raw = e.document.appendJSON(nil)
	}
}
