package kube

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestReplicationController(t *testing.T) {
	read := func(spec string) *corev1.ReplicationController {
		o, err := ReplicationControllers.Decode([]byte(`{"metadata": {"name": "r", "namespace": "default"}, "spec": ` + spec + `}`))
		if err != nil {
			t.Fatal(err)
		}
		ReplicationControllers.Default(o)
		return o.(*corev1.ReplicationController)
	}
	const template = `"template": {"metadata": {"labels": {"app": "r"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}`
	r := read(`{` + template + `}`)
	if r.Spec.Selector["app"] != "r" || r.Labels["app"] != "r" || *r.Spec.Replicas != 1 {
		t.Errorf("defaults: %+v %+v", r.ObjectMeta, r.Spec)
	}
	for spec, want := range map[string]string{
		`{` + template + `}`:         "",
		`{}`:                         "spec.selector: Required value; spec.template: Required value",
		`{"selector": {"app": "r"}}`: "spec.template: Required value",
		`{"selector": {"app": "x"}, ` + template + `}`: "spec.template.metadata.labels: Invalid value: {\"app\":\"r\"}: `selector` does not match template `labels`",
		`{"replicas": -1, ` + template + `}`:           "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
	} {
		var got []string
		for _, err := range ReplicationControllers.Validate(read(spec), Features{}) {
			got = append(got, err.Error())
		}
		if strings.Join(got, "; ") != want {
			t.Errorf("%s: %q, want %q", spec, got, want)
		}
	}
	// One without a template is wrong, and nothing else that is asked of it fails.
	WithoutEffect(read(`{}`), Features{})
	entries, err := Decode("f", []byte("apiVersion: v1\nkind: ReplicationController\nmetadata: {name: r}\nspec: {}\n"))
	if err != nil || len(entries) != 1 {
		t.Fatal(entries, err)
	}
	entries[0].AbsoluteHostPaths("/")
}
