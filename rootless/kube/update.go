package kube

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// lastApplied is where kubectl keeps its last manifest; it is no wish of the user's.
const lastApplied = corev1.LastAppliedConfigAnnotation

// mayChange is what Kubernetes says when something else changes.
const mayChange = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`," +
	"`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"

// Equal says whether applying a manifest to a stored Pod would change nothing of its labels, annotations and spec. Both
// have been through Default.
func Equal(applied, stored *corev1.Pod) bool {
	return sameLabels(applied, stored) && equality.Semantic.DeepEqual(placed(applied, stored), &stored.Spec)
}

// sameLabels compares labels and annotations, but for kubectl's own.
func sameLabels(a, b metav1.Object) bool {
	return maps.Equal(a.GetLabels(), b.GetLabels()) && maps.Equal(ownAnnotations(a), ownAnnotations(b))
}

func ownAnnotations(o metav1.Object) map[string]string {
	annotations := maps.Clone(o.GetAnnotations())
	maps.DeleteFunc(annotations, func(key, _ string) bool { return key == lastApplied || isNodes(key) })
	if len(annotations) == 0 {
		return nil
	}
	return annotations
}

// isNodes tells an annotation that the node has put there.
func isNodes(annotation string) bool {
	return strings.HasPrefix(annotation, "deployment.kubernetes.io/")
}

// adoptLabels replaces labels and annotations, those of the node apart, which stay until there are new ones.
func adoptLabels(stored, applied metav1.Object) {
	stored.SetLabels(applied.GetLabels())
	annotations := maps.Clone(applied.GetAnnotations())
	for key, value := range stored.GetAnnotations() {
		if _, given := annotations[key]; isNodes(key) && !given {
			if annotations == nil {
				annotations = map[string]string{}
			}
			annotations[key] = value
		}
	}
	stored.SetAnnotations(annotations)
}

func adoptPod(stored, applied *corev1.Pod) {
	adoptLabels(stored, applied)
	spec := placed(applied, stored)
	if !equality.Semantic.DeepEqual(spec, &stored.Spec) { // only specs are counted
		stored.Generation++
	}
	stored.Spec = *spec
}

// placed is the spec of pod on the node where the old one is, with the ephemeral containers that have joined it, since a manifest says
// neither.
func placed(pod, old *corev1.Pod) *corev1.PodSpec {
	spec := pod.Spec.DeepCopy()
	if spec.NodeName == "" {
		spec.NodeName = old.Spec.NodeName
	}
	if len(spec.EphemeralContainers) == 0 {
		spec.EphemeralContainers = old.Spec.EphemeralContainers
	}
	return spec
}

// ValidateUpdate returns what is wrong with changing old to pod, by Kubernetes' rule: images may change, tolerations may be
// added, nothing else. Both have been through Default. The error names the fields that differ.
func ValidateUpdate(pod, old *corev1.Pod) field.ErrorList {
	path := field.NewPath("spec")
	errs := validateMetadataUpdate(&pod.ObjectMeta, &old.ObjectMeta)
	if len(pod.Spec.Containers) != len(old.Spec.Containers) {
		return append(errs, field.Forbidden(path.Child("containers"), "pod updates may not add or remove containers"))
	}
	if len(pod.Spec.InitContainers) != len(old.Spec.InitContainers) {
		return append(errs, field.Forbidden(path.Child("initContainers"), "pod updates may not add or remove containers"))
	}
	spec := placed(pod, old)
	for i := range spec.Containers {
		errs = append(errs, validateImage(spec.Containers[i].Image, path.Child("containers").Index(i).Child("image"))...)
		spec.Containers[i].Image = old.Spec.Containers[i].Image
	}
	for i := range spec.InitContainers {
		errs = append(errs, validateImage(spec.InitContainers[i].Image, path.Child("initContainers").Index(i).Child("image"))...)
		spec.InitContainers[i].Image = old.Spec.InitContainers[i].Image
	}
	errs = append(errs, validateTolerations(spec.Tolerations, old.Spec.Tolerations, path.Child("tolerations"))...)
	spec.Tolerations = old.Spec.Tolerations
	errs = append(errs, updateDeadline(spec, &old.Spec, path.Child("activeDeadlineSeconds"))...)
	allowGraceOfOne(spec, &old.Spec)
	if !equality.Semantic.DeepEqual(spec, &old.Spec) {
		errs = append(errs, field.Forbidden(path, mayChange+"\n"+strings.Join(differences(spec, &old.Spec), "\n")))
	}
	return errs
}

// validateMetadataUpdate has nothing to say of an apply, which brings no metadata of the stored object.
func validateMetadataUpdate(applied, stored *metav1.ObjectMeta) field.ErrorList {
	if applied.ResourceVersion == "" {
		return nil
	}
	return apivalidation.ValidateObjectMetaUpdate(applied, stored, field.NewPath("metadata"))
}

func validateTolerations(tolerations, old []corev1.Toleration, path *field.Path) field.ErrorList {
	for _, before := range old {
		kept := slices.ContainsFunc(tolerations, func(after corev1.Toleration) bool {
			before.TolerationSeconds, after.TolerationSeconds = nil, nil
			return before == after
		})
		if !kept {
			return field.ErrorList{field.Forbidden(path, "existing toleration can not be modified except its tolerationSeconds")}
		}
	}
	return nil
}

// updateDeadline allows a deadline to be set or shortened.
func updateDeadline(spec, old *corev1.PodSpec, path *field.Path) field.ErrorList {
	after, before := spec.ActiveDeadlineSeconds, old.ActiveDeadlineSeconds
	spec.ActiveDeadlineSeconds = before
	switch {
	case after == nil && before != nil:
		return field.ErrorList{field.Invalid(path, after, "must not update from a positive integer to nil value")}
	case after != nil && before != nil && *after > *before:
		return field.ErrorList{field.Invalid(path, *after, "must be less than or equal to previous value")}
	}
	return nil
}

func allowGraceOfOne(spec, old *corev1.PodSpec) {
	after, before := spec.TerminationGracePeriodSeconds, old.TerminationGracePeriodSeconds
	if after != nil && before != nil && *after == 1 && *before < 0 {
		spec.TerminationGracePeriodSeconds = before
	}
}

// differences returns a line "  spec.hostname: "a" → "b"" for each field in which two specs differ.
func differences(pod, old *corev1.PodSpec) []string {
	var lines []string
	compare("spec", tree(pod), tree(old), func(path string, after, before any) {
		lines = append(lines, difference(path, after, before))
	})
	return lines
}

func difference(path string, after, before any) string {
	return fmt.Sprintf("  %s: %s → %s", path, show(before), show(after))
}

// tree is the JSON of v as maps and slices.
func tree(v any) any {
	var out any
	if data, err := json.Marshal(v); err == nil {
		_ = json.Unmarshal(data, &out) // what was just marshalled
	}
	return out
}

func compare(path string, a, b any, differ func(path string, a, b any)) {
	objectA, isObjectA := a.(map[string]any)
	objectB, isObjectB := b.(map[string]any)
	listA, isListA := a.([]any)
	listB, isListB := b.([]any)
	switch {
	case isObjectA && isObjectB:
		keys := maps.Clone(objectA)
		maps.Copy(keys, objectB)
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			compare(path+"."+key, objectA[key], objectB[key], differ)
		}
	case isListA && isListB && len(listA) == len(listB):
		for i := range listA {
			compare(fmt.Sprintf("%s[%d]", path, i), listA[i], listB[i], differ)
		}
	case !reflect.DeepEqual(a, b):
		differ(path, a, b)
	}
}

func show(v any) string {
	if v == nil {
		return "(none)"
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(data)
}
