package kube

import (
	"fmt"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ClaimOf is the claim that a volume of a Pod of that name is, be it one that is there (persistentVolumeClaim) or one that is made and removed with
// the Pod (ephemeral); nil if it is none. (k8s.io/component-helpers/storage/ephemeral)
func ClaimOf(pod string, v *corev1.Volume) *corev1.PersistentVolumeClaimVolumeSource {
	if v.Ephemeral != nil {
		return &corev1.PersistentVolumeClaimVolumeSource{ClaimName: pod + "-" + v.Name}
	}
	return v.PersistentVolumeClaim
}

// EphemeralClaim is what is made for an ephemeral volume.
func EphemeralClaim(pod *corev1.Pod, v *corev1.Volume) *corev1.PersistentVolumeClaim {
	template := v.Ephemeral.VolumeClaimTemplate.DeepCopy()
	return &corev1.PersistentVolumeClaim{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: Claims.Name},
		ObjectMeta: metav1.ObjectMeta{
			Name: ClaimOf(pod.Name, v).ClaimName, Namespace: pod.Namespace, Labels: template.Labels, Annotations: template.Annotations,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(pod, corev1.SchemeGroupVersion.WithKind(Pods.Name))},
		},
		Spec: template.Spec,
	}
}

// validateClaimTemplate wants what makes a claim, without a name.
func validateClaimTemplate(t *corev1.PersistentVolumeClaimTemplate, path *field.Path) field.ErrorList {
	if t == nil {
		return field.ErrorList{field.Required(path, "")}
	}
	at := path.Child("metadata")
	errs := apivalidation.ValidateAnnotations(t.Annotations, at.Child("annotations"))
	errs = append(errs, metav1validation.ValidateLabels(t.Labels, at.Child("labels"))...)
	meta := reflect.ValueOf(t.ObjectMeta)
	for i := range meta.NumField() {
		name, _, _ := strings.Cut(meta.Type().Field(i).Tag.Get("json"), ",")
		if name != "labels" && name != "annotations" && !meta.Field(i).IsZero() {
			errs = append(errs, field.Forbidden(at.Child(name), "cannot be set"))
		}
	}
	return append(errs, validateClaimSpec(&t.Spec, path.Child("spec"))...)
}

// validateClaimNames is about the names of claims that would be made.
func validateClaimNames(pod *corev1.Pod) field.ErrorList {
	var errs field.ErrorList
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i]
		if v.Ephemeral == nil || pod.Name == "" || v.Name == "" {
			continue
		}
		name := ClaimOf(pod.Name, v).ClaimName
		for _, message := range apivalidation.NameIsDNSSubdomain(name, false) {
			errs = append(errs, field.Invalid(field.NewPath("spec", "volumes").Index(i).Child("name"), v.Name, fmt.Sprintf("PVC name %q: %v", name, message)))
		}
	}
	return errs
}
