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
		entries, err := Decode("f", data)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Message == "" || e.Line < 0 {
				t.Errorf("error %q", err)
			}
		}
		for i := range entries {
			fuzzEntry(t, &entries[i])
		}
	})
}

func fuzzEntry(t *testing.T, e *Entry) {
	if e.Ignored != "" {
		return
	}
	kind := KindOf(e.Object)
	o, err := kind.Decode(e.Raw)
	if err != nil || !reflect.DeepEqual(o, e.Object) {
		t.Errorf("Raw does not give the object back: %v\n%s", err, e.Raw)
	}
	kind.Default(o)
	for _, err := range kind.Validate(o, Features{}) {
		if e.LineOf(err.Field) < 1 {
			t.Errorf("%s has no line", err.Field)
		}
	}
	WithoutEffect(o, Features{Cgroups: true})
	kind.ValidateUpdate(o, e.Object)
	kind.Equal(o, e.Object)
	if pod, ok := o.(*corev1.Pod); ok {
		QOS(pod)
		for i := range pod.Spec.Containers {
			if env, err := Environment(pod, &pod.Spec.Containers[i], sourcesOf(nil, nil)); err == nil {
				Command(&pod.Spec.Containers[i], env)
			}
		}
	}
}

// FuzzDecodeObject compares the two readers of JSON: what the one with lines finds no fault with, the API server's must take, and the other
// way round, apart from bounds and from what only one of them looks at.
func FuzzDecodeObject(f *testing.F) {
	f.Add([]byte(`{"kind": "Pod", "apiVersion": "v1", "spec": {"containers": [{"name": "c", "x": 1}], "hostNetwork": true}}`))
	f.Add([]byte(`{"spec": {"containers": [{"resources": {"limits": {"cpu": "1"}}, "livenessProbe": {"httpGet": {"port": "x"}}}]}}`))
	f.Add([]byte(`{"metadata": {"creationTimestamp": null, "labels": {"a": "b", "a": null}}}`))
	f.Add([]byte(`{"spec": {"priority": 1.0, "terminationGracePeriodSeconds": 9223372036854775808}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		documents, readErr := readJSON(data, &bounds{maxBytes, maxValues})
		if readErr != nil || len(documents) != 1 || documents[0].kind != isObject {
			return
		}
		for _, kind := range Kinds {
			o, err := kind.Decode(data)
			if err == nil && o == nil {
				t.Fatal("neither object nor error")
			}
			var c checker
			c.check(documents[0], reflect.TypeOf(kind.New()), "", 1)
			if fine := err == nil || strings.HasPrefix(err.Error(), "no kind"); fine != (len(c.errors) == 0) {
				t.Errorf("%s\nDecode as a %s: %v\nchecker: %v", data, kind.Name, err, c.errors)
			}
		}
	})
}

// FuzzPullCredentials looks for panics and for entries that could match nothing.
func FuzzPullCredentials(f *testing.F) {
	f.Add([]byte(`{"auths":{"https://index.docker.io/v1/":{"auth":"dXNlcjpwYXNz"},"*.example.com:5000/a":{"username":"u","password":"p"}}}`))
	f.Add([]byte(`{"auths":{"[::1]:5000":{"auth":"dXNlcjpwYXNz=="}, "a b":{"identitytoken":"t"}, "%zz":null}}`))
	f.Add([]byte(`{"auths":{"a":{"auth":12345}}}`))
	f.Add([]byte(`{"a":{"auth":"c2VjcmV0"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for key, kind := range map[string]corev1.SecretType{
			corev1.DockerConfigJsonKey: corev1.SecretTypeDockerConfigJson, corev1.DockerConfigKey: corev1.SecretTypeDockercfg,
		} {
			s := &corev1.Secret{Type: kind, Data: map[string][]byte{key: data}}
			credentials, err := PullCredentials([]*corev1.Secret{s})
			if err != nil && credentials != nil {
				t.Errorf("both %d credentials and %v", len(credentials), err)
			}
			for _, c := range credentials {
				if c.Match == "" || strings.HasPrefix(c.Match, "https://") {
					t.Errorf("match %q", c.Match)
				}
			}
		}
	})
}
