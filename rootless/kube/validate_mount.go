package kube

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateMounts is about the volumeMounts of one container. volumes are those of the Pod that are right.
func validateMounts(c *corev1.Container, volumes map[string]*corev1.Volume, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	seen := map[string]bool{}
	for i := range c.VolumeMounts {
		m, at := &c.VolumeMounts[i], path.Index(i)
		errs = append(errs, required(m.Name, at.Child("name"))...)
		if volumes[m.Name] == nil {
			errs = append(errs, field.NotFound(at.Child("name"), m.Name))
		}
		errs = append(errs, required(m.MountPath, at.Child("mountPath"))...)
		if seen[m.MountPath] {
			errs = append(errs, field.Invalid(at.Child("mountPath"), m.MountPath, "must be unique"))
		}
		seen[m.MountPath] = true
		errs = append(errs, validateSubPath(m, at)...)
		if m.MountPropagation != nil {
			errs = append(errs, validatePropagation(*m.MountPropagation, c, at.Child("mountPropagation"))...)
		}
		if m.RecursiveReadOnly != nil {
			errs = append(errs, validateRecursive(m, at.Child("recursiveReadOnly"))...)
		}
		errs = append(errs, validateMountOptions(m.BindMountOptions, volumes[m.Name], at.Child("bindMountOptions"))...)
	}
	return errs
}

func validateSubPath(m *corev1.VolumeMount, path *field.Path) field.ErrorList {
	errs := validateBelow(m.SubPath, path.Child("subPath"))
	if m.SubPathExpr != "" && m.SubPath != "" {
		errs = append(errs, field.Invalid(path.Child("subPathExpr"), m.SubPathExpr, "subPathExpr and subPath are mutually exclusive"))
	}
	return append(errs, validateBelow(m.SubPathExpr, path.Child("subPathExpr"))...)
}

func validatePropagation(mode corev1.MountPropagationMode, c *corev1.Container, path *field.Path) field.ErrorList {
	modes := []corev1.MountPropagationMode{corev1.MountPropagationBidirectional, corev1.MountPropagationHostToContainer, corev1.MountPropagationNone}
	if !slices.Contains(modes, mode) {
		return field.ErrorList{field.NotSupported(path, mode, modes)}
	}
	if s := c.SecurityContext; mode == corev1.MountPropagationBidirectional && (s == nil || s.Privileged == nil || !*s.Privileged) {
		return field.ErrorList{field.Forbidden(path, "Bidirectional mount propagation is available only to privileged containers")}
	}
	return nil
}

func validateRecursive(m *corev1.VolumeMount, path *field.Path) field.ErrorList {
	modes := []corev1.RecursiveReadOnlyMode{corev1.RecursiveReadOnlyDisabled, corev1.RecursiveReadOnlyEnabled, corev1.RecursiveReadOnlyIfPossible}
	var errs field.ErrorList
	switch mode := *m.RecursiveReadOnly; {
	case !slices.Contains(modes, mode):
		return field.ErrorList{field.NotSupported(path, mode, modes)}
	case mode == corev1.RecursiveReadOnlyDisabled:
		return nil
	}
	if !m.ReadOnly {
		errs = append(errs, field.Forbidden(path, "may only be specified when readOnly is true"))
	}
	if m.MountPropagation != nil && *m.MountPropagation != corev1.MountPropagationNone {
		errs = append(errs, field.Forbidden(path, "may only be specified when mountPropagation is None or not specified"))
	}
	return errs
}

func validateMountOptions(options []string, v *corev1.Volume, path *field.Path) field.ErrorList {
	known := []string{string(corev1.BindMountOptionNoDev), string(corev1.BindMountOptionNoExec), string(corev1.BindMountOptionNoSUID)}
	var errs field.ErrorList
	for i, o := range options {
		if !slices.Contains(known, o) {
			errs = append(errs, field.NotSupported(path.Index(i), o, known))
		}
		if slices.Contains(options[:i], o) {
			errs = append(errs, field.Duplicate(path.Index(i), o))
		}
	}
	if len(options) > 0 && v != nil && v.Image != nil {
		errs = append(errs, field.Invalid(path, options, "bindMountOptions may not be used with image volumes"))
	}
	return errs
}
