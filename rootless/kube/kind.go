package kube

import (
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Object is an API object of one of the Kinds: a *corev1.Pod, a *corev1.Secret and so on.
type Object interface {
	metav1.Object
	runtime.Object
}

// Kind is a kind of object that users apply, and the answers to the questions of the package comment for it. Another kind is
// another value in Kinds.
type Kind struct {
	Group    string // API group: apps; empty for the core
	Version  string // v1
	Name     string // as in a manifest: Pod
	Resource string // as in a path: pods
	Cluster  bool   // its objects are in no namespace

	New      func() Object // an empty one
	Default  func(Object)
	Validate func(Object, Features) field.ErrorList
	// Equal says whether applying a manifest to a stored object would change nothing of what a manifest says.
	Equal          func(applied, stored Object) bool
	ValidateUpdate func(applied, stored Object) field.ErrorList
	// Adopt makes a stored object what a manifest says; what the node has put into it stays.
	Adopt func(stored, applied Object)
}

// rules are the answers for a kind in its own type. Those of equal and adopt that are missing are the general ones (wish.go).
type rules[T Object] struct {
	empty          func() T
	setDefaults    func(T)
	validate       func(T, Features) field.ErrorList
	equal          func(applied, stored T) bool
	validateUpdate func(applied, stored T) field.ErrorList
	adopt          func(stored, applied T)
}

// define gives a kind its rules.
func define[T Object](k Kind, r rules[T]) *Kind {
	if r.equal == nil {
		r.equal = func(applied, stored T) bool { return sameWish(applied, stored) }
	}
	if r.adopt == nil {
		r.adopt = func(stored, applied T) { adoptWish(stored, applied) }
	}
	k.Version = "v1" // of all kinds so far
	k.New = func() Object { return r.empty() }
	k.Default = func(o Object) { r.setDefaults(o.(T)) }
	k.Validate = func(o Object, f Features) field.ErrorList { return r.validate(o.(T), f) }
	k.Equal = func(a, b Object) bool { return r.equal(a.(T), b.(T)) }
	k.ValidateUpdate = func(a, b Object) field.ErrorList { return r.validateUpdate(a.(T), b.(T)) }
	k.Adopt = func(a, b Object) { r.adopt(a.(T), b.(T)) }
	return &k
}

// Pods is the kind Pod.
var Pods = define(Kind{Name: "Pod", Resource: "pods"}, rules[*corev1.Pod]{
	empty: func() *corev1.Pod { return &corev1.Pod{} }, setDefaults: Default, validate: Validate,
	equal: Equal, validateUpdate: ValidateUpdate, adopt: adoptPod,
})

// Secrets is the kind Secret.
var Secrets = define(Kind{Name: "Secret", Resource: "secrets"}, rules[*corev1.Secret]{
	empty: func() *corev1.Secret { return &corev1.Secret{} }, setDefaults: defaultSecret, validate: validateSecret,
	validateUpdate: validateSecretUpdate,
})

// ConfigMaps is the kind ConfigMap.
var ConfigMaps = define(Kind{Name: "ConfigMap", Resource: "configmaps"}, rules[*corev1.ConfigMap]{
	empty: func() *corev1.ConfigMap { return &corev1.ConfigMap{} }, setDefaults: func(*corev1.ConfigMap) {}, validate: validateConfigMap,
	validateUpdate: validateConfigMapUpdate,
})

// Claims is the kind PersistentVolumeClaim.
var Claims = define(Kind{Name: "PersistentVolumeClaim", Resource: "persistentvolumeclaims"}, rules[*corev1.PersistentVolumeClaim]{
	empty: func() *corev1.PersistentVolumeClaim { return &corev1.PersistentVolumeClaim{} }, setDefaults: defaultClaim, validate: validateClaim,
	equal: equalClaims, validateUpdate: validateClaimUpdate, adopt: adoptClaim,
})

// ServiceAccounts is the kind ServiceAccount. Nobody here asks for a token; its imagePullSecrets are those of its Pods that
// name none, as in a cluster.
var ServiceAccounts = define(Kind{Name: "ServiceAccount", Resource: "serviceaccounts"}, rules[*corev1.ServiceAccount]{
	empty: func() *corev1.ServiceAccount { return &corev1.ServiceAccount{} }, setDefaults: func(*corev1.ServiceAccount) {},
	validate: func(a *corev1.ServiceAccount, _ Features) field.ErrorList { return validateMetadata(&a.ObjectMeta) },
	validateUpdate: func(applied, stored *corev1.ServiceAccount) field.ErrorList {
		return validateMetadataUpdate(&applied.ObjectMeta, &stored.ObjectMeta)
	},
})

// Kinds are all there are.
var Kinds = []*Kind{
	Namespaces, Pods, Secrets, ConfigMaps, Claims, Services, Endpoints, EndpointSlices, ServiceAccounts, Deployments, ReplicaSets, ReplicationControllers, StatefulSets, DaemonSets, Jobs, CronJobs,
}

// byType are the Kinds by the type of their objects.
var byType = func() map[reflect.Type]*Kind {
	kinds := map[reflect.Type]*Kind{}
	for _, k := range Kinds {
		kinds[reflect.TypeOf(k.New())] = k
	}
	return kinds
}()

// KindOf returns the kind of an object.
func KindOf(o Object) *Kind { return byType[reflect.TypeOf(o)] }

// GroupVersion is where the kind is: v1, or apps/v1.
func (k *Kind) GroupVersion() schema.GroupVersion {
	return schema.GroupVersion{Group: k.Group, Version: k.Version}
}

// GroupKind is the kind's name in errors.
func (k *Kind) GroupKind() schema.GroupKind { return schema.GroupKind{Group: k.Group, Kind: k.Name} }

// GroupResource is the resource's name in errors.
func (k *Kind) GroupResource() schema.GroupResource {
	return schema.GroupResource{Group: k.Group, Resource: k.Resource}
}

// TypeMeta is what an object of this kind begins with.
func (k *Kind) TypeMeta() metav1.TypeMeta {
	return metav1.TypeMeta{Kind: k.Name, APIVersion: k.GroupVersion().String()}
}

// named returns the kind that a manifest calls so, and whether it means a list of them; nil if there is none.
func named(version, name string) (k *Kind, list bool) {
	item, list := strings.CutSuffix(name, "List")
	for _, k := range Kinds {
		if k.Name == item && k.GroupVersion().String() == version {
			return k, list
		}
	}
	return nil, false
}
