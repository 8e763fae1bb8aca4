package kube

import (
	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Namespaces is the kind Namespace. One that is deleted is there, terminating, until all that is in it is gone.
var Namespaces = define(Kind{Name: "Namespace", Resource: "namespaces", Cluster: true}, rules[*corev1.Namespace]{
	empty: func() *corev1.Namespace { return &corev1.Namespace{} }, setDefaults: defaultNamespace, validate: validateNamespace,
	validateUpdate: func(applied, stored *corev1.Namespace) field.ErrorList {
		return validateMetadataUpdate(&applied.ObjectMeta, &stored.ObjectMeta)
	},
})

// defaultNamespace adds the label by which selectors know a namespace, and what a cluster's namespaces have for finalizers.
func defaultNamespace(n *corev1.Namespace) {
	if n.Name != "" {
		if n.Labels == nil {
			n.Labels = map[string]string{}
		}
		n.Labels[corev1.LabelMetadataName] = n.Name
	}
	if len(n.Spec.Finalizers) == 0 {
		n.Spec.Finalizers = []corev1.FinalizerName{corev1.FinalizerKubernetes}
	}
}

func validateNamespace(n *corev1.Namespace, _ Features) field.ErrorList {
	return apivalidation.ValidateObjectMeta(&n.ObjectMeta, false, apivalidation.ValidateNamespaceName, field.NewPath("metadata"))
}
