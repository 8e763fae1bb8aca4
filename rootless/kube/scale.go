package kube

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
)

// Scale is how many Pods a workload is to have and has; nil of an object for which nobody can say. What Want points to is the object's own.
type Scale struct {
	Want     *int32
	Have     int32
	Selector *metav1.LabelSelector
}

// ScaleOf is the scale of an object that has been through Default.
func ScaleOf(o Object) *Scale {
	switch o := o.(type) {
	case *appsv1.Deployment:
		return &Scale{count(&o.Spec.Replicas), o.Status.Replicas, o.Spec.Selector}
	case *appsv1.ReplicaSet:
		return &Scale{count(&o.Spec.Replicas), o.Status.Replicas, o.Spec.Selector}
	case *corev1.ReplicationController:
		return &Scale{count(&o.Spec.Replicas), o.Status.Replicas, selectorOf(o)}
	case *appsv1.StatefulSet:
		return &Scale{count(&o.Spec.Replicas), o.Status.Replicas, o.Spec.Selector}
	}
	return nil
}

func count(replicas **int32) *int32 {
	setPointer(replicas, 1)
	return *replicas
}

// GenerateName makes a name of a generateName, as an API server does: at most 63 characters, of which the last five are random.
func GenerateName(base string) string {
	const most = 58
	return base[:min(len(base), most)] + rand.String(5)
}
