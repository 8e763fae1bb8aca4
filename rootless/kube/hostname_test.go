package kube

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestNamesOf(t *testing.T) {
	yes, override, long := true, "other.example.org", strings.Repeat("x", 62)+"-x"
	for _, c := range []struct {
		pod  string
		spec corev1.PodSpec
		want Names
	}{
		{"web", corev1.PodSpec{}, Names{"web", "", "web"}},
		{long, corev1.PodSpec{}, Names{long[:62], "", long[:62]}},
		{"web", corev1.PodSpec{Hostname: "a"}, Names{"a", "", "a"}},
		{"web", corev1.PodSpec{Subdomain: "sub"}, Names{"web", "sub.ns.svc.cluster.local", "web"}},
		{"web", corev1.PodSpec{Hostname: "a", Subdomain: "sub", SetHostnameAsFQDN: &yes}, Names{"a", "sub.ns.svc.cluster.local", "a.sub.ns.svc.cluster.local"}},
		{"web", corev1.PodSpec{SetHostnameAsFQDN: &yes}, Names{"web", "", "web"}},
		{"web", corev1.PodSpec{Hostname: "a", Subdomain: "sub", HostnameOverride: &override}, Names{override, "", override}},
		{"web", corev1.PodSpec{Hostname: "a", Subdomain: "sub", HostNetwork: true}, Names{"machine", "", "machine"}},
	} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: c.pod, Namespace: "ns"}, Spec: c.spec}
		if got, err := NamesOf(pod, "cluster.local", "machine"); err != nil || got != c.want {
			t.Errorf("%s %+v: got %+v, %v; want %+v", c.pod, c.spec, got, err, c.want)
		}
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: long, Namespace: "ns"}, Spec: corev1.PodSpec{Subdomain: "sub", SetHostnameAsFQDN: &yes}}
	if _, err := NamesOf(pod, "cluster.local", "machine"); err == nil || !strings.Contains(err.Error(), "is too long (64 characters is the max, 87 characters requested)") {
		t.Errorf("a name longer than the kernel's: %v", err)
	}
}
