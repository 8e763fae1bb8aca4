package main

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// volumes tells of each volume its type and what that type has.
func (p *page) volumes(volumes []corev1.Volume) {
	if len(volumes) == 0 {
		p.line(0, "%sVolumes:\t<none>", p.inset)
		return
	}
	p.line(0, "%sVolumes:", p.inset)
	for i := range volumes {
		p.name(volumes[i].Name)
		for _, pair := range volumeLines(&volumes[i].VolumeSource) {
			p.line(2, "%s\t%s", head(&pair[0]), pair[1])
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
	case v.Ephemeral != nil && v.Ephemeral.VolumeClaimTemplate != nil:
		return append([][2]string{kind("EphemeralVolume (an inline specification for a volume that gets created and deleted with the pod)")},
			claimLines(v.Ephemeral.VolumeClaimTemplate)...)
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

// claimLines tell of a claim that is made with a Pod. A line without a title goes on with the one before.
func claimLines(t *corev1.PersistentVolumeClaimTemplate) [][2]string {
	class, mode := "", ""
	if t.Spec.StorageClassName != nil {
		class = *t.Spec.StorageClassName
	}
	if t.Spec.VolumeMode != nil {
		mode = string(*t.Spec.VolumeMode)
	}
	lines := [][2]string{{"StorageClass", class}, {"Volume", t.Spec.VolumeName}}
	lines = append(lines, pairLines("Labels", t.Labels, "=")...)
	lines = append(lines, pairLines("Annotations", t.Annotations, ": ")...)
	return append(lines, [2]string{"Capacity", ""}, [2]string{"Access Modes", ""}, [2]string{"VolumeMode", mode})
}

func pairLines(title string, pairs map[string]string, between string) [][2]string {
	if len(pairs) == 0 {
		return [][2]string{{title, "<none>"}}
	}
	var lines [][2]string
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		lines = append(lines, [2]string{title, key + between + pairs[key]})
		title = ""
	}
	return lines
}
