package main

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// volumes tells of each volume its type and what that type has.
func (p *page) volumes(volumes []corev1.Volume) {
	if len(volumes) == 0 {
		p.line(0, "Volumes:\t<none>")
		return
	}
	p.line(0, "Volumes:")
	for i := range volumes {
		p.line(1, "%s:", volumes[i].Name)
		for _, pair := range volumeLines(&volumes[i].VolumeSource) {
			p.line(2, "%s:\t%s", pair[0], pair[1])
		}
	}
}

func volumeLines(v *corev1.VolumeSource) [][2]string {
	kind := func(text string) [2]string { return [2]string{"Type", text} }
	optional := func(b *bool) [2]string { return [2]string{"Optional", fmt.Sprint(isTrue(b))} }
	switch {
	case v.EmptyDir != nil:
		limit := "<unset>"
		if v.EmptyDir.SizeLimit != nil && v.EmptyDir.SizeLimit.Sign() > 0 {
			limit = v.EmptyDir.SizeLimit.String()
		}
		return [][2]string{kind("EmptyDir (a temporary directory that shares a pod's lifetime)"),
			{"Medium", string(v.EmptyDir.Medium)}, {"SizeLimit", limit}}
	case v.HostPath != nil:
		hostPathType := ""
		if v.HostPath.Type != nil {
			hostPathType = string(*v.HostPath.Type)
		}
		return [][2]string{kind("HostPath (bare host directory volume)"), {"Path", v.HostPath.Path}, {"HostPathType", hostPathType}}
	case v.ConfigMap != nil:
		return [][2]string{kind("ConfigMap (a volume populated by a ConfigMap)"), {"Name", v.ConfigMap.Name}, optional(v.ConfigMap.Optional)}
	case v.Secret != nil:
		return [][2]string{kind("Secret (a volume populated by a Secret)"), {"SecretName", v.Secret.SecretName}, optional(v.Secret.Optional)}
	case v.PersistentVolumeClaim != nil:
		return [][2]string{kind("PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)"),
			{"ClaimName", v.PersistentVolumeClaim.ClaimName}, {"ReadOnly", fmt.Sprint(v.PersistentVolumeClaim.ReadOnly)}}
	case v.Projected != nil:
		return [][2]string{kind("Projected (a volume that contains injected data from multiple sources)")}
	case v.DownwardAPI != nil:
		return [][2]string{kind("DownwardAPI (a volume populated by information about the pod)")}
	case v.Image != nil:
		return [][2]string{kind("Image (a container image or OCI artifact)"),
			{"Reference", v.Image.Reference}, {"PullPolicy", string(v.Image.PullPolicy)}}
	}
	return [][2]string{kind("<unknown>")}
}
