package kube

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func pod(t *testing.T, spec string) *corev1.Pod {
	t.Helper()
	p := decodePod(t, []byte(`{"metadata": {"name": "demo", "namespace": "default", "labels": {"a": "b"}}, "spec": `+spec+`}`))
	Default(p)
	return p
}

func decodePod(t *testing.T, data []byte) *corev1.Pod {
	t.Helper()
	o, err := Pods.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return o.(*corev1.Pod)
}

const (
	base       = `{"containers": [{"name": "c", "image": "i:1", "command": ["x"], "resources": {"limits": {"cpu": "1000m"}}}], "tolerations": [{"key": "k"}]}`
	otherImage = `{"containers": [{"name": "c", "image": "i:2", "command": ["x"], "resources": {"limits": {"cpu": "1"}}}], "tolerations": [{"key": "k"}, {"key": "l"}]}`
	otherMore  = `{"containers": [{"name": "c", "image": "", "command": ["y"], "resources": {"limits": {"cpu": "1"}}}], "hostname": "h"}`
)

func TestEqual(t *testing.T) {
	stored := pod(t, base)
	stored.Spec.NodeName = "box" // the node put it there
	stored.Annotations = map[string]string{lastApplied: "…"}
	stored.Status.Phase = corev1.PodRunning
	if !Equal(pod(t, base), stored) {
		t.Error("the same manifest is not equal")
	}
	for name, change := range map[string]func(*corev1.Pod){
		"label":      func(p *corev1.Pod) { p.Labels["a"] = "c" },
		"annotation": func(p *corev1.Pod) { p.Annotations = map[string]string{"x": "y"} },
		"image":      func(p *corev1.Pod) { p.Spec.Containers[0].Image = "i:2" },
		"nodeName":   func(p *corev1.Pod) { p.Spec.NodeName = "elsewhere" },
	} {
		applied := pod(t, base)
		if change(applied); Equal(applied, stored) {
			t.Errorf("a changed %s is equal", name)
		}
	}
}

func TestValidateUpdate(t *testing.T) {
	old := pod(t, base)
	old.Spec.NodeName = "box"
	if errs := ValidateUpdate(pod(t, otherImage), old); len(errs) > 0 {
		t.Errorf("another image, another toleration: %v", errs)
	}
	errs := ValidateUpdate(pod(t, otherMore), old)
	want := []string{
		"spec.containers[0].image: Required value",
		"spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds",
		"spec: Forbidden: " + mayChange + "\n  spec.containers[0].command[0]: \"x\" → \"y\"\n  spec.hostname: (none) → \"h\"",
	}
	var got []string
	for _, err := range errs {
		got = append(got, err.Error())
	}
	// The policy follows from the image and so differs too.
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] || !strings.HasPrefix(got[2], want[2]) {
		t.Errorf("got %q, want %q", got, want)
	}
	errs = ValidateUpdate(pod(t, `{"containers": [{"name": "c", "image": "i"}, {"name": "d", "image": "i"}]}`), old)
	if len(errs) != 1 || errs[0].Error() != "spec.containers: Forbidden: pod updates may not add or remove containers" {
		t.Errorf("another container: %v", errs)
	}
}

func TestValidateUpdateOfNumbers(t *testing.T) {
	number := func(n int64) *int64 { return &n }
	for _, test := range []struct {
		name       string
		old, new   corev1.PodSpec
		wantErrors bool
	}{
		{"deadline set", corev1.PodSpec{}, corev1.PodSpec{ActiveDeadlineSeconds: number(5)}, false},
		{"deadline shortened", corev1.PodSpec{ActiveDeadlineSeconds: number(5)}, corev1.PodSpec{ActiveDeadlineSeconds: number(4)}, false},
		{"deadline extended", corev1.PodSpec{ActiveDeadlineSeconds: number(5)}, corev1.PodSpec{ActiveDeadlineSeconds: number(6)}, true},
		{"deadline removed", corev1.PodSpec{ActiveDeadlineSeconds: number(5)}, corev1.PodSpec{}, true},
		{"negative grace to 1", corev1.PodSpec{TerminationGracePeriodSeconds: number(-1)}, corev1.PodSpec{TerminationGracePeriodSeconds: number(1)}, false},
		{"grace", corev1.PodSpec{TerminationGracePeriodSeconds: number(2)}, corev1.PodSpec{TerminationGracePeriodSeconds: number(1)}, true},
	} {
		errs := ValidateUpdate(&corev1.Pod{Spec: test.new}, &corev1.Pod{Spec: test.old})
		if (len(errs) > 0) != test.wantErrors {
			t.Errorf("%s: %v", test.name, errs)
		}
	}
}
