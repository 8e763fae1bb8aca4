package kube

import (
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Object is an API object: a *corev1.Pod or a *corev1.Secret.
type Object interface {
	metav1.Object
	runtime.Object
}

// Kind is a kind of object that users apply, and the answers to the questions of the package comment for it. Another kind is
// another value in Kinds.
type Kind struct {
	Name     string // as in a manifest: Pod
	Resource string // as in a path: pods

	New      func() Object // an empty one
	Default  func(Object)
	Validate func(Object, Features) field.ErrorList
	// Equal says whether applying a manifest to a stored object would change nothing of what a manifest says.
	Equal          func(applied, stored Object) bool
	ValidateUpdate func(applied, stored Object) field.ErrorList
	// Adopt makes a stored object what a manifest says; what the node has put into it stays.
	Adopt func(stored, applied Object)
}

// Pods is the kind Pod.
var Pods = &Kind{
	Name: "Pod", Resource: "pods",
	New:            func() Object { return &corev1.Pod{} },
	Default:        func(o Object) { Default(o.(*corev1.Pod)) },
	Validate:       func(o Object, f Features) field.ErrorList { return Validate(o.(*corev1.Pod), f) },
	Equal:          func(a, b Object) bool { return Equal(a.(*corev1.Pod), b.(*corev1.Pod)) },
	ValidateUpdate: func(a, b Object) field.ErrorList { return ValidateUpdate(a.(*corev1.Pod), b.(*corev1.Pod)) },
	Adopt:          func(a, b Object) { adoptPod(a.(*corev1.Pod), b.(*corev1.Pod)) },
}

// Secrets is the kind Secret.
var Secrets = &Kind{
	Name: "Secret", Resource: "secrets",
	New:            func() Object { return &corev1.Secret{} },
	Default:        func(o Object) { defaultSecret(o.(*corev1.Secret)) },
	Validate:       func(o Object, _ Features) field.ErrorList { return validateSecret(o.(*corev1.Secret)) },
	Equal:          func(a, b Object) bool { return equalSecrets(a.(*corev1.Secret), b.(*corev1.Secret)) },
	ValidateUpdate: func(a, b Object) field.ErrorList { return validateSecretUpdate(a.(*corev1.Secret), b.(*corev1.Secret)) },
	Adopt:          func(a, b Object) { adoptSecret(a.(*corev1.Secret), b.(*corev1.Secret)) },
}

// Kinds are all there are.
var Kinds = []*Kind{Pods, Secrets}

// KindOf returns the kind of an object.
func KindOf(o Object) *Kind {
	i := slices.IndexFunc(Kinds, func(k *Kind) bool { return reflect.TypeOf(k.New()) == reflect.TypeOf(o) })
	return Kinds[i] // an Object is of one of them
}

// GroupKind is the kind's name in errors.
func (k *Kind) GroupKind() schema.GroupKind { return schema.GroupKind{Kind: k.Name} }

// GroupResource is the resource's name in errors.
func (k *Kind) GroupResource() schema.GroupResource { return corev1.Resource(k.Resource) }

// TypeMeta is what an object of this kind begins with.
func (k *Kind) TypeMeta() metav1.TypeMeta { return metav1.TypeMeta{Kind: k.Name, APIVersion: "v1"} }

// named returns the kind that a manifest calls so, and whether it means a list of them; nil if there is none.
func named(name string) (k *Kind, list bool) {
	item, list := strings.CutSuffix(name, "List")
	for _, k := range Kinds {
		if k.Name == item {
			return k, list
		}
	}
	return nil, false
}

// plurals lists the kinds for people: "Pods and Secrets".
func plurals() string {
	var names []string
	for _, k := range Kinds {
		names = append(names, k.Name+"s")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
