package kube

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestSubPath(t *testing.T) {
	env := []string{"POD=demo", "UP=..", "ROOT=/etc", "EMPTY="}
	for _, c := range []struct{ path, expr, want, err string }{
		{path: "a/b", want: "a/b"}, {expr: "x/$(POD)/y", want: "x/demo/y"}, {expr: "$$(POD)", want: "$(POD)"}, {expr: "a$b", want: "a$b"}, {expr: "$(EMPTY)", want: ""},
		{expr: "a/$(UP)/b", err: "unable to provision SubPath `a/../b`: must not contain '..'"},
		{expr: "$(ROOT)", err: "error SubPath `/etc` must not be an absolute path"},
		{expr: "$(POD)/$(NOBODY)", err: `missing value for "NOBODY"`},
	} {
		got, err := SubPath(&corev1.VolumeMount{SubPath: c.path, SubPathExpr: c.expr}, env)
		message := ""
		if err != nil {
			message = err.Error()
		}
		if got != c.want || message != c.err {
			t.Errorf("%q %q: %q, %q; want %q, %q", c.path, c.expr, got, message, c.want, c.err)
		}
	}
}

func TestVolumeField(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: "demo", Namespace: "ns", UID: "u", Labels: map[string]string{"b": "2", "a": "1"}, Annotations: map[string]string{"n": "two\n\"lines\""},
	}}
	for path, want := range map[string]string{
		"metadata.name": "demo", "metadata.namespace": "ns", "metadata.uid": "u", "metadata.labels": "a=\"1\"\nb=\"2\"", "metadata.labels['b']": "2",
		"metadata.annotations": `n="two\n\"lines\""`, "metadata.annotations['n']": "two\n\"lines\"", "metadata.labels['none']": "",
	} {
		if got, err := VolumeField(pod, path); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", path, got, err, want)
		}
	}
	if _, err := VolumeField(pod, "spec.hostname"); err == nil {
		t.Error("no error for a field that cannot be had")
	}
}

func TestNestedMounts(t *testing.T) {
	mount := func(name, path, sub string) corev1.VolumeMount {
		return corev1.VolumeMount{Name: name, MountPath: path, SubPath: sub}
	}
	pod := &corev1.Pod{Spec: corev1.PodSpec{
		InitContainers: []corev1.Container{{VolumeMounts: []corev1.VolumeMount{mount("v", "/a/", ""), mount("w", "/a/deep/er/", "")}}},
		Containers: []corev1.Container{{VolumeMounts: []corev1.VolumeMount{
			mount("v", "/b", ""), mount("w", "/b/x", ""), mount("x", "/bc", ""), mount("v", "/part", "sub"), mount("w", "/part/y", ""),
		}}},
	}}
	// However they are written, they lead nowhere but down.
	pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{VolumeMounts: []corev1.VolumeMount{
		mount("v", "d//", ""), mount("w", "/d//z", ""), mount("x", "/d/../e", ""), mount("x", "/d/./f/..", ""),
	}})
	if got, want := NestedMounts(pod, "v"), []string{"deep/er", "x", "z"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
