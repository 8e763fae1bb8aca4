package kube

import (
	"encoding/json"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// defaultSecret fills in the type and turns stringData, which is for writing only, into data.
func defaultSecret(s *corev1.Secret) {
	setDefault(&s.Type, corev1.SecretTypeOpaque)
	if len(s.StringData) > 0 && s.Data == nil {
		s.Data = map[string][]byte{}
	}
	for key, value := range s.StringData {
		s.Data[key] = []byte(value)
	}
	s.StringData = nil
}

// redacted stands for the content in an error.
const redacted = "<secret contents redacted>"

// validateSecret follows kubernetes/pkg/apis/core/validation, ValidateSecret. No error has a value of the data in it.
func validateSecret(s *corev1.Secret) field.ErrorList {
	errs := validateMetadata(&s.ObjectMeta)
	data := field.NewPath("data")
	size := 0
	for _, key := range slices.Sorted(maps.Keys(s.Data)) {
		errs = append(errs, invalid(data.Key(key), key, validation.IsConfigMapKey(key))...)
		size += len(s.Data[key])
	}
	if size > corev1.MaxSecretSize {
		errs = append(errs, field.TooLong(data, "", corev1.MaxSecretSize))
	}
	return append(errs, validateSecretType(s, data)...)
}

// validateSecretType looks for what a Secret of a known type must have.
func validateSecretType(s *corev1.Secret, data *field.Path) field.ErrorList {
	var errs field.ErrorList
	require := func(keys ...string) {
		for _, key := range keys {
			if _, ok := s.Data[key]; !ok {
				errs = append(errs, field.Required(data.Key(key), ""))
			}
		}
	}
	requireJSON := func(key string) {
		require(key)
		var object map[string]any
		if content, ok := s.Data[key]; ok {
			if err := json.Unmarshal(content, &object); err != nil {
				errs = append(errs, field.Invalid(data.Key(key), redacted, err.Error()))
			}
		}
	}
	switch s.Type {
	case corev1.SecretTypeServiceAccountToken:
		if s.Annotations[corev1.ServiceAccountNameKey] == "" {
			errs = append(errs, field.Required(field.NewPath("metadata", "annotations").Key(corev1.ServiceAccountNameKey), ""))
		}
	case corev1.SecretTypeDockercfg:
		requireJSON(corev1.DockerConfigKey)
	case corev1.SecretTypeDockerConfigJson:
		requireJSON(corev1.DockerConfigJsonKey)
	case corev1.SecretTypeBasicAuth: // one of the two is enough
		_, user := s.Data[corev1.BasicAuthUsernameKey]
		_, password := s.Data[corev1.BasicAuthPasswordKey]
		if !user && !password {
			require(corev1.BasicAuthUsernameKey, corev1.BasicAuthPasswordKey)
		}
	case corev1.SecretTypeSSHAuth:
		if len(s.Data[corev1.SSHAuthPrivateKey]) == 0 {
			errs = append(errs, field.Required(data.Key(corev1.SSHAuthPrivateKey), ""))
		}
	case corev1.SecretTypeTLS:
		require(corev1.TLSCertKey, corev1.TLSPrivateKeyKey)
	}
	return errs
}

func equalSecrets(applied, stored *corev1.Secret) bool {
	return sameLabels(applied, stored) && applied.Type == stored.Type && sameContent(applied, stored) &&
		isImmutable(applied) == isImmutable(stored)
}

func sameContent(a, b *corev1.Secret) bool { return equality.Semantic.DeepEqual(a.Data, b.Data) }

func isImmutable(s *corev1.Secret) bool { return s.Immutable != nil && *s.Immutable }

// validateSecretUpdate follows ValidateSecretUpdate: the type never changes, nor does anything of an immutable Secret but its
// metadata.
func validateSecretUpdate(applied, stored *corev1.Secret) field.ErrorList {
	const set = "field is immutable when `immutable` is set"
	errs := validateMetadataUpdate(&applied.ObjectMeta, &stored.ObjectMeta)
	errs = append(errs, apivalidation.ValidateImmutableField(applied.Type, stored.Type, field.NewPath("type"))...)
	if isImmutable(stored) {
		if !isImmutable(applied) {
			errs = append(errs, field.Forbidden(field.NewPath("immutable"), set))
		}
		if !sameContent(applied, stored) {
			errs = append(errs, field.Forbidden(field.NewPath("data"), set))
		}
	}
	return errs
}

func adoptSecret(stored, applied *corev1.Secret) {
	adoptLabels(stored, applied)
	stored.Data, stored.Immutable, stored.Type = applied.Data, applied.Immutable, applied.Type
}
