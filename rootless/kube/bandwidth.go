package kube

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The annotations that shape a Pod's traffic, in bits per second ("10M"), as the network plugins of Kubernetes know them.
const (
	ingressBandwidth = "kubernetes.io/ingress-bandwidth"
	egressBandwidth  = "kubernetes.io/egress-bandwidth"
)

var leastBandwidth, mostBandwidth = resource.MustParse("1k"), resource.MustParse("1P")

// Bandwidth is what the annotations allow to go to the Pod (ingress) and to come from it (egress), in bits per second; 0 is all.
func Bandwidth(pod *corev1.Pod) (ingress, egress uint64, errs field.ErrorList) {
	return bandwidth(&pod.ObjectMeta, field.NewPath("metadata"))
}

// bandwidth reads the annotations of a Pod, or of a template of Pods. path is the metadata's.
func bandwidth(meta *metav1.ObjectMeta, path *field.Path) (ingress, egress uint64, errs field.ErrorList) {
	for _, direction := range []struct {
		name string
		bits *uint64
	}{{ingressBandwidth, &ingress}, {egressBandwidth, &egress}} {
		text, given := meta.Annotations[direction.name]
		if !given {
			continue
		}
		q, err := resource.ParseQuantity(text)
		switch {
		case err != nil:
		case q.Cmp(leastBandwidth) < 0:
			err = fmt.Errorf("resource is unreasonably small (< 1kbit)")
		case q.Cmp(mostBandwidth) > 0:
			err = fmt.Errorf("resource is unreasonably large (> 1Pbit)")
		}
		if err != nil {
			errs = append(errs, field.Invalid(path.Child("annotations").Key(direction.name), text, err.Error()))
			continue
		}
		*direction.bits = uint64(q.Value())
	}
	return ingress, egress, errs
}
