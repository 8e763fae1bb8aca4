package kube

import (
	"reflect"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// TestOrderOfErrors: the same object is refused with the same words each time.
func TestOrderOfErrors(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{ingressBandwidth: "a", egressBandwidth: "b"}}}
	service := &corev1.Service{Spec: corev1.ServiceSpec{Selector: map[string]string{"-a": "", "-b": "", "-c": "", "-d": ""}}}
	job := &batchv1.JobSpec{BackoffLimitPerIndex: new(int32), MaxFailedIndexes: new(int32), ManagedBy: new(string), SuccessPolicy: &batchv1.SuccessPolicy{}}
	for name, check := range map[string]func() field.ErrorList{
		"bandwidth": func() field.ErrorList { _, _, errs := Bandwidth(pod); return errs },
		"service":   func() field.ErrorList { return validateService(service, Features{}) },
		"job":       func() field.ErrorList { return validateJobSpec(job, field.NewPath("spec")) },
	} {
		first := check()
		for range 50 {
			if again := check(); !reflect.DeepEqual(again, first) {
				t.Errorf("%s: %v, then %v", name, first, again)
				break
			}
		}
	}
}
