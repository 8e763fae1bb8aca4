package kube

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func defaultClaim(c *corev1.PersistentVolumeClaim) {
	setDefault(&c.Status.Phase, corev1.ClaimPending)
	defaultClaimSpec(&c.Spec)
}

func defaultClaimSpec(spec *corev1.PersistentVolumeClaimSpec) {
	setPointer(&spec.VolumeMode, corev1.PersistentVolumeFilesystem)
}

func validateClaim(c *corev1.PersistentVolumeClaim, _ Features) field.ErrorList {
	return append(validateMetadata(&c.ObjectMeta), validateClaimSpec(&c.Spec, field.NewPath("spec"))...)
}

// validateClaimSpec follows kubernetes/pkg/apis/core/validation, ValidatePersistentVolumeClaimSpec. A claim of a block device is refused.
func validateClaimSpec(spec *corev1.PersistentVolumeClaimSpec, path *field.Path) field.ErrorList {
	errs := validateAccessModes(spec.AccessModes, path.Child("accessModes"))
	if spec.Selector != nil {
		errs = append(errs, metav1validation.ValidateLabelSelector(spec.Selector, metav1validation.LabelSelectorValidationOptions{}, path.Child("selector"))...)
	}
	at := path.Child("resources").Key(string(corev1.ResourceStorage))
	if storage, ok := spec.Resources.Requests[corev1.ResourceStorage]; !ok {
		errs = append(errs, field.Required(at, ""))
	} else if storage.Cmp(resource.Quantity{}) <= 0 {
		errs = append(errs, field.Invalid(at, storage.String(), "must be greater than zero"))
	}
	if name := spec.StorageClassName; name != nil && *name != "" {
		errs = append(errs, invalid(path.Child("storageClassName"), *name, validation.IsDNS1123Subdomain(*name))...)
	}
	if mode := spec.VolumeMode; mode != nil {
		errs = append(errs, oneOf(path.Child("volumeMode"), *mode, corev1.PersistentVolumeBlock, corev1.PersistentVolumeFilesystem)...)
		if *mode == corev1.PersistentVolumeBlock {
			errs = append(errs, field.Forbidden(path.Child("volumeMode"), "not supported by peapod: an ordinary user has no block devices"))
		}
	}
	return errs
}

func validateAccessModes(modes []corev1.PersistentVolumeAccessMode, path *field.Path) field.ErrorList {
	if len(modes) == 0 {
		return field.ErrorList{field.Required(path, "at least 1 access mode is required")}
	}
	var errs field.ErrorList
	single := 0
	for _, mode := range modes {
		if mode == corev1.ReadWriteOncePod {
			single++
		}
		errs = append(errs, oneOf(path, mode, corev1.ReadOnlyMany, corev1.ReadWriteMany, corev1.ReadWriteOnce, corev1.ReadWriteOncePod)...)
	}
	if single > 0 && single < len(modes) {
		errs = append(errs, field.Forbidden(path, "may not use ReadWriteOncePod with other access modes"))
	}
	return errs
}

// validateClaimUpdate allows a claim to ask for more, which costs nothing here.
func validateClaimUpdate(applied, stored *corev1.PersistentVolumeClaim) field.ErrorList {
	errs := validateMetadataUpdate(&applied.ObjectMeta, &stored.ObjectMeta)
	spec, old := &bound(applied, stored).Spec, &stored.Spec
	before, after := old.Resources.Requests[corev1.ResourceStorage], spec.Resources.Requests[corev1.ResourceStorage]
	if after.Cmp(before) < 0 {
		errs = append(errs, field.Forbidden(field.NewPath("spec", "resources", "requests", "storage"), "field can not be less than status.capacity"))
	}
	spec.Resources.Requests = old.Resources.Requests
	spec.VolumeAttributesClassName = old.VolumeAttributesClassName
	if !equality.Semantic.DeepEqual(spec, old) {
		var lines []string
		compare("spec", tree(spec), tree(old), func(path string, after, before any) { lines = append(lines, difference(path, after, before)) })
		errs = append(errs, field.Forbidden(field.NewPath("spec"),
			"spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n"+strings.Join(lines, "\n")))
	}
	return errs
}

// bound is the claim with the volume that the stored one has, since a manifest does not say that.
func bound(applied, stored *corev1.PersistentVolumeClaim) *corev1.PersistentVolumeClaim {
	c := applied.DeepCopy()
	setDefault(&c.Spec.VolumeName, stored.Spec.VolumeName)
	return c
}

func equalClaims(applied, stored *corev1.PersistentVolumeClaim) bool {
	return sameWish(bound(applied, stored), stored)
}

func adoptClaim(stored, applied *corev1.PersistentVolumeClaim) {
	adoptWish(stored, bound(applied, stored))
}
