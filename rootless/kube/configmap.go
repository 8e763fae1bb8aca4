package kube

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateConfigMap follows kubernetes/pkg/apis/core/validation, ValidateConfigMap.
func validateConfigMap(c *corev1.ConfigMap, _ Features) field.ErrorList {
	errs := validateMetadata(&c.ObjectMeta)
	data, binary := field.NewPath("data"), field.NewPath("binaryData")
	size := 0
	for _, key := range slices.Sorted(maps.Keys(c.Data)) {
		errs = append(errs, invalid(data.Key(key), key, validation.IsConfigMapKey(key))...)
		if _, twice := c.BinaryData[key]; twice {
			errs = append(errs, field.Invalid(data.Key(key), key, "duplicate of key present in binaryData"))
		}
		size += len(c.Data[key])
	}
	for _, key := range slices.Sorted(maps.Keys(c.BinaryData)) {
		errs = append(errs, invalid(binary.Key(key), key, validation.IsConfigMapKey(key))...)
		size += len(c.BinaryData[key])
	}
	if size > corev1.MaxSecretSize { // one bound for both kinds
		errs = append(errs, field.TooLong(field.NewPath(""), "", corev1.MaxSecretSize))
	}
	return errs
}

func validateConfigMapUpdate(applied, stored *corev1.ConfigMap) field.ErrorList {
	errs := validateMetadataUpdate(&applied.ObjectMeta, &stored.ObjectMeta)
	return append(errs, validateImmutable(applied.Immutable, stored.Immutable,
		content{"data", applied.Data, stored.Data}, content{"binaryData", applied.BinaryData, stored.BinaryData})...)
}
