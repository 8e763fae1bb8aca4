package kube

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func seeds(f *testing.F) {
	files, err := filepath.Glob("testdata/manifests/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		if data, err := os.ReadFile(file); err == nil && filepath.Ext(file) != ".out" {
			f.Add(data)
		}
	}
}

// FuzzDecode looks for panics, for objects that the other questions cannot take, and for errors without a sentence.
func FuzzDecode(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		objects, err := Decode("f", data)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Message == "" || e.Line < 0 {
				t.Errorf("error %q", err)
			}
		}
		for i := range objects {
			o := &objects[i]
			pod, err := DecodePod(o.Raw)
			if err != nil || !reflect.DeepEqual(pod, o.Pod) {
				t.Errorf("Raw does not give the Pod back: %v\n%s", err, o.Raw)
			}
			Default(pod)
			for _, err := range Validate(pod, Features{}) {
				if o.LineOf(err.Field) < 1 {
					t.Errorf("%s has no line", err.Field)
				}
			}
			WithoutEffect(pod, Features{Cgroups: true})
			ValidateUpdate(pod, o.Pod)
			Equal(pod, o.Pod)
			QOS(pod)
			for j := range pod.Spec.Containers {
				if env, err := Environment(pod, &pod.Spec.Containers[j], Node{}, nil); err == nil {
					Command(&pod.Spec.Containers[j], env)
				}
			}
		}
	})
}

// FuzzDecodePod compares the two readers of JSON: what the one with lines finds no fault with, the API server's must take, and the other
// way round, apart from bounds and from what only one of them looks at.
func FuzzDecodePod(f *testing.F) {
	f.Add([]byte(`{"kind": "Pod", "apiVersion": "v1", "spec": {"containers": [{"name": "c", "x": 1}], "hostNetwork": true}}`))
	f.Add([]byte(`{"spec": {"containers": [{"resources": {"limits": {"cpu": "1"}}, "livenessProbe": {"httpGet": {"port": "x"}}}]}}`))
	f.Add([]byte(`{"metadata": {"creationTimestamp": null, "labels": {"a": "b", "a": null}}}`))
	f.Add([]byte(`{"spec": {"priority": 1.0, "terminationGracePeriodSeconds": 9223372036854775808}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		pod, err := DecodePod(data)
		if err == nil && pod == nil {
			t.Fatal("neither Pod nor error")
		}
		documents, readErr := readJSON(data, &bounds{maxBytes, maxValues})
		if readErr != nil || len(documents) != 1 || documents[0].kind != isObject {
			return
		}
		var c checker
		c.check(documents[0], reflect.TypeFor[corev1.Pod](), "", 1)
		if fine := err == nil || strings.HasPrefix(err.Error(), "no kind"); fine != (len(c.errors) == 0) {
			t.Errorf("%s\nDecodePod: %v\nchecker: %v", data, err, c.errors)
		}
	})
}
