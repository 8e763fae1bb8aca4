package kube

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestExpand(t *testing.T) {
	values := map[string]string{"A": "1", "B": "$(A)", "": "empty"}
	for in, want := range map[string]string{
		"":            "",
		"plain":       "plain",
		"$(A)":        "1",
		"x$(A)y$(A)z": "x1y1z",
		"$(B)":        "$(A)", // a value is not expanded again
		"$(C)":        "$(C)",
		"$$(A)":       "$(A)",
		"$$$(A)":      "$1",
		"$$$$(A)":     "$$(A)",
		"$$":          "$",
		"$":           "$",
		"a$":          "a$",
		"$A":          "$A",
		"$(A":         "$(A",
		"$(A$(A)":     "$(A$(A)", // the name is A$(A
		"$($(A))":     "$($(A))",
		"${A}":        "${A}",
		"$é":          "$é",
		"$()":         "empty",
	} {
		if got := expand(in, func(name string) (string, bool) { value, ok := values[name]; return value, ok }); got != want {
			t.Errorf("expand(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	from := func(path string) *corev1.EnvVarSource {
		return &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: path}}
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "demo", Namespace: "ns", UID: "u",
		Labels: map[string]string{"app": "web"}, Annotations: map[string]string{"a/b": "c"}}}
	container := &corev1.Container{Env: []corev1.EnvVar{
		{Name: "LATE", Value: "$(IP)"}, // IP comes later
		{Name: "IP", ValueFrom: from("status.podIP")},
		{Name: "IPS", ValueFrom: from("status.podIPs")},
		{Name: "HOST", ValueFrom: from("status.hostIP")},
		{Name: "HOSTS", ValueFrom: from("status.hostIPs")},
		{Name: "NODE", ValueFrom: from("spec.nodeName")},
		{Name: "ACCOUNT", ValueFrom: from("spec.serviceAccountName")},
		{Name: "ME", ValueFrom: from("metadata.name")},
		{Name: "NS", ValueFrom: from("metadata.namespace")},
		{Name: "UID", ValueFrom: from("metadata.uid")},
		{Name: "APP", ValueFrom: from("metadata.labels['app']")},
		{Name: "NONE", ValueFrom: from("metadata.labels['x']")},
		{Name: "NOTE", ValueFrom: from("metadata.annotations['a/b']")},
		{Name: "URL", Value: "http://$(IP)/$(APP)/$$(APP)/$(PATH)"},
		{Name: "ME", Value: "$(ME)-again"},
	}}
	got, err := Environment(pod, container, Sources{Node: Node{Name: "box", IPs: []string{"192.0.2.1", "2001:db8::1"}}, PodIPs: []string{"10.0.0.2", "fd00::2"}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"LATE=$(IP)", "IP=10.0.0.2", "IPS=10.0.0.2,fd00::2", "HOST=192.0.2.1", "HOSTS=192.0.2.1,2001:db8::1", "NODE=box",
		"ACCOUNT=default", "ME=demo-again", "NS=ns", "UID=u", "APP=web", "NONE=", "NOTE=c", "URL=http://10.0.0.2/web/$(APP)/$(PATH)"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}

	command, args := Command(&corev1.Container{Command: []string{"sh", "$(ME)"}}, got)
	if !slices.Equal(command, []string{"sh", "demo-again"}) || args != nil {
		t.Errorf("command %q, args %q", command, args)
	}
	if _, err := Environment(pod, &corev1.Container{Env: []corev1.EnvVar{{Name: "X", ValueFrom: &corev1.EnvVarSource{}}}}, Sources{}); err == nil {
		t.Error("a source that is not supported is no error")
	}
	secret := func(string) (*corev1.Secret, error) {
		return &corev1.Secret{Data: map[string][]byte{"KEY": []byte("ab\x00cd")}}, nil
	}
	all := corev1.EnvFromSource{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "s"}}}
	if got, err := Environment(pod, &corev1.Container{EnvFrom: []corev1.EnvFromSource{all}}, Sources{Secret: secret}); err == nil {
		t.Errorf("a value with a NUL is no error: %q", got)
	}
}

// limits reads "cpu", "1", "memory", "1Gi" as limits.
func limits(pairs ...string) corev1.ResourceRequirements {
	list := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		list[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return corev1.ResourceRequirements{Limits: list}
}

func TestQOS(t *testing.T) {
	for _, test := range []struct {
		want       corev1.PodQOSClass
		containers []corev1.ResourceRequirements
	}{
		{corev1.PodQOSBestEffort, []corev1.ResourceRequirements{{}, {}}},
		{corev1.PodQOSBestEffort, []corev1.ResourceRequirements{limits("cpu", "0")}},
		{corev1.PodQOSGuaranteed, []corev1.ResourceRequirements{limits("cpu", "1", "memory", "1Gi")}},
		{corev1.PodQOSBurstable, []corev1.ResourceRequirements{limits("cpu", "1", "memory", "1Gi"), {}}},
		{corev1.PodQOSBurstable, []corev1.ResourceRequirements{limits("cpu", "1")}},
		{corev1.PodQOSBurstable, []corev1.ResourceRequirements{{Requests: limits("memory", "1").Limits}}},
	} {
		pod := &corev1.Pod{}
		for _, r := range test.containers {
			pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Resources: r})
		}
		Default(pod)
		if got := QOS(pod); got != test.want {
			t.Errorf("%v: got %s, want %s", test.containers, got, test.want)
		}
	}
}
