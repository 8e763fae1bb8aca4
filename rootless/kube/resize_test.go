package kube

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestResize(t *testing.T) {
	var resize *Part
	for _, p := range Parts {
		if p.Name == "resize" {
			resize = p
		}
	}
	whole := limits("cpu", "8", "memory", "8Gi")
	stored := &corev1.Pod{Spec: corev1.PodSpec{
		Resources:      &whole,
		InitContainers: []corev1.Container{{Name: "i", Image: "x", Resources: limits("cpu", "1")}},
		Containers:     []corev1.Container{{Name: "a", Image: "x", Resources: limits("cpu", "1", "memory", "1Gi")}, {Name: "b", Image: "x"}},
	}}
	Default(stored)
	for name, test := range map[string]struct {
		change func(*corev1.PodSpec)
		want   string
	}{
		"fine":         {func(s *corev1.PodSpec) { s.Containers[0].Resources = limits("cpu", "2", "memory", "512Mi") }, ""},
		"more of them": {func(s *corev1.PodSpec) { s.Containers[1].Resources = limits("cpu", "2") }, ""},
		"of the Pod": {func(s *corev1.PodSpec) {
			r := limits("cpu", "9", "memory", "8Gi")
			r.Requests = whole.Requests
			s.Resources = &r
		}, ""},
		"what is no part of it is left": {func(s *corev1.PodSpec) {
			s.Containers[0].Image, s.Hostname, s.Resources = "y", "h", nil
		}, ""},
		"fewer": {func(s *corev1.PodSpec) { s.Containers[0].Resources = limits("cpu", "2") },
			"spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed; spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed"},
		"fewer of the Pod": {func(s *corev1.PodSpec) { r := limits("cpu", "8"); r.Requests = whole.Requests; s.Resources = &r },
			"spec.resources.limits: Forbidden: pod-level resource limits cannot be removed"},
		"others":         {func(s *corev1.PodSpec) { s.Containers[1].Resources = limits("example.com/x", "2") }, "spec: Forbidden: only cpu and memory resources are mutable"},
		"init container": {func(s *corev1.PodSpec) { s.InitContainers[0].Resources = limits("cpu", "2") }, "spec: Forbidden: resources for non-sidecar init containers are immutable"},
		"another name":   {func(s *corev1.PodSpec) { s.Containers[0].Name = "c" }, "spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize"},
		"one less":       {func(s *corev1.PodSpec) { s.Containers = s.Containers[1:] }, "spec.containers: Forbidden: containers may not be added or removed on resize"},
		"class": {func(s *corev1.PodSpec) {
			r := limits("cpu", "8", "memory", "8Gi")
			r.Requests = r.Limits
			s.Resources = &r
		},
			`spec: Invalid value: "Guaranteed": Pod QOS Class may not change as a result of resizing`},
	} {
		asked, wanted := stored.DeepCopy(), stored.DeepCopy()
		test.change(&asked.Spec)
		resize.Take(wanted, asked)
		Default(wanted)
		var got []string
		for _, err := range resize.validateUpdate(wanted, stored) {
			got = append(got, err.Error())
		}
		if text := strings.Join(got, "; "); text != test.want {
			t.Errorf("%s: %s\nwant: %s", name, text, test.want)
		}
		if wanted.Spec.Hostname != "" || wanted.Spec.Containers[0].Image == "y" || wanted.Spec.Resources == nil {
			t.Errorf("%s: it changes what is no part of it: %+v", name, wanted.Spec)
		}
	}
}

func TestResizePolicies(t *testing.T) {
	pod := &corev1.Pod{Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "a", Image: "x", ResizePolicy: []corev1.ContainerResizePolicy{
		{ResourceName: "cpu", RestartPolicy: corev1.NotRequired}, {ResourceName: "cpu", RestartPolicy: corev1.RestartContainer}, {ResourceName: "disk", RestartPolicy: "Maybe"}, {},
	}}}}}
	Default(pod)
	var got []string
	for _, err := range validateResizePolicy(pod.Spec.Containers[0].ResizePolicy, pod.Spec.RestartPolicy, nil) {
		got = append(got, err.ErrorBody())
	}
	want := []string{
		`Duplicate value: "cpu"`, `Invalid value: "RestartContainer": must be 'NotRequired' when pod ` + "`restartPolicy`" + ` is 'Never'`,
		`Unsupported value: "disk": supported values: "cpu", "memory"`, `Unsupported value: "Maybe": supported values: "NotRequired", "RestartContainer"`,
		`Invalid value: "Maybe": must be 'NotRequired' when pod ` + "`restartPolicy`" + ` is 'Never'`,
		"Required value", "Required value", `Invalid value: "": must be 'NotRequired' when pod ` + "`restartPolicy`" + ` is 'Never'`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
