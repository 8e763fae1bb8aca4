package kube

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestBandwidth(t *testing.T) {
	for text, want := range map[string]uint64{"10M": 10e6, "1k": 1000, "1P": 1e15, "1Mi": 1 << 20} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{egressBandwidth: text}}}
		if in, out, errs := Bandwidth(pod); in != 0 || out != want || len(errs) > 0 {
			t.Errorf("%s: %d, %d, %v", text, in, out, errs)
		}
	}
	for text, want := range map[string]string{
		"": "quantities must match the regular expression", "much": "quantities must match the regular expression", "-1M": "resource is unreasonably small (< 1kbit)",
		"999": "resource is unreasonably small (< 1kbit)", "2P": "resource is unreasonably large (> 1Pbit)", "1e99": "resource is unreasonably large (> 1Pbit)",
	} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{ingressBandwidth: text}}}
		_, _, errs := Bandwidth(pod)
		if len(errs) != 1 || errs[0].Field != "metadata.annotations["+ingressBandwidth+"]" || len(errs[0].Detail) < len(want) || errs[0].Detail[:len(want)] != want {
			t.Errorf("%q: %v", text, errs)
		}
	}
}

// TestBandwidthOfTemplate: what is wrong there is told when the workload is applied, not passed over in each of its Pods.
func TestBandwidthOfTemplate(t *testing.T) {
	d := &appsv1.Deployment{}
	d.Spec.Template.Annotations = map[string]string{egressBandwidth: "much"}
	for _, err := range validateTemplate(d, Features{}) {
		if err.Field == "spec.template.metadata.annotations["+egressBandwidth+"]" {
			return
		}
	}
	t.Error("no error about the template's annotation")
}
