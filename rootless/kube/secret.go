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
func validateSecret(s *corev1.Secret, _ Features) field.ErrorList {
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

// validateSecretUpdate follows ValidateSecretUpdate: the type never changes, nor does anything of an immutable Secret but its
// metadata.
func validateSecretUpdate(applied, stored *corev1.Secret) field.ErrorList {
	errs := validateMetadataUpdate(&applied.ObjectMeta, &stored.ObjectMeta)
	errs = append(errs, apivalidation.ValidateImmutableField(applied.Type, stored.Type, field.NewPath("type"))...)
	return append(errs, validateImmutable(applied.Immutable, stored.Immutable, content{"data", applied.Data, stored.Data})...)
}

// content is a part of an object that may be immutable.
type content struct {
	field           string
	applied, stored any
}

// validateImmutable wants that nothing changes in what was once made immutable.
func validateImmutable(applied, stored *bool, contents ...content) field.ErrorList {
	const set = "field is immutable when `immutable` is set"
	if stored == nil || !*stored {
		return nil
	}
	var errs field.ErrorList
	if applied == nil || !*applied {
		errs = append(errs, field.Forbidden(field.NewPath("immutable"), set))
	}
	for _, c := range contents {
		if !equality.Semantic.DeepEqual(c.applied, c.stored) {
			errs = append(errs, field.Forbidden(field.NewPath(c.field), set))
		}
	}
	return errs
}
