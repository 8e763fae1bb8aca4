package kube

import (
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// AbsoluteHostPaths makes the relative paths of a manifest's hostPath volumes absolute, a Pod's or those of a template of Pods: they begin
// in dir, the folder of the manifest. It changes Object and Raw.
func (e *Entry) AbsoluteHostPaths(dir string) {
	volumes, place := volumesOf(e.Object)
	written := e.document
	for _, key := range strings.Split(place, ".") {
		written = written.get(key)
	}
	changed := false
	for i := range volumes {
		host := volumes[i].HostPath
		if host == nil || host.Path == "" || filepath.IsAbs(host.Path) {
			continue
		}
		host.Path = filepath.Join(dir, host.Path)
		path := written.items[i].get("hostPath").get("path")
		path.text, path.written = host.Path, host.Path
		changed = true
	}
	if changed {
		e.Raw = e.document.appendJSON(nil)
	}
}

// volumesOf are the volumes of a Pod or of the Pods that a workload makes, and where they are in it.
func volumesOf(o Object) (volumes []corev1.Volume, place string) {
	if pod, ok := o.(*corev1.Pod); ok {
		return pod.Spec.Volumes, "spec.volumes"
	}
	template, path := Template(o)
	if template == nil {
		return nil, ""
	}
	return template.Spec.Volumes, path.Child("spec", "volumes").String()
}
