package kube

import (
	"io"
	"io/fs"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// sourcesOf are a node's with these objects, by name.
func sourcesOf(configMaps map[string]*corev1.ConfigMap, secrets map[string]*corev1.Secret) Sources {
	return Sources{
		ConfigMap: func(name string) (*corev1.ConfigMap, error) {
			if c := configMaps[name]; c != nil {
				return c, nil
			}
			return nil, apierrors.NewNotFound(corev1.Resource("configmap"), name)
		},
		Secret: func(name string) (*corev1.Secret, error) {
			if s := secrets[name]; s != nil {
				return s, nil
			}
			return nil, apierrors.NewNotFound(corev1.Resource("secret"), name)
		},
		File: func(_, path string) (io.ReadCloser, error) {
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		},
	}
}

func TestEnvironmentSources(t *testing.T) {
	yes := true
	object := func(name string) corev1.LocalObjectReference { return corev1.LocalObjectReference{Name: name} }
	configKey := func(name, key string, optional *bool) *corev1.EnvVarSource {
		return &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: object(name), Key: key, Optional: optional}}
	}
	secretKey := func(name, key string, optional *bool) *corev1.EnvVarSource {
		return &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: object(name), Key: key, Optional: optional}}
	}
	sources := sourcesOf(
		map[string]*corev1.ConfigMap{"c": {Data: map[string]string{"b": "2", "a": "1"}, BinaryData: map[string][]byte{"x": {0}}}},
		map[string]*corev1.Secret{"s": {Data: map[string][]byte{"k": []byte("v")}}})
	sources.Services = []string{"WEB_SERVICE_HOST=10.0.0.9", "a=service"}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "demo", Namespace: "ns"}}
	fromConfig := func(prefix, name string, optional *bool) corev1.EnvFromSource {
		return corev1.EnvFromSource{Prefix: prefix, ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: object(name), Optional: optional}}
	}
	fromSecret := func(name string, optional *bool) corev1.EnvFromSource {
		return corev1.EnvFromSource{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: object(name), Optional: optional}}
	}
	for name, test := range map[string]struct {
		from []corev1.EnvFromSource
		env  []corev1.EnvVar
		want []string
		err  string
	}{
		"all": {
			from: []corev1.EnvFromSource{fromConfig("", "c", nil), fromConfig("P_", "c", nil), fromSecret("s", nil), fromSecret("no", &yes), fromConfig("", "no", &yes)},
			env: []corev1.EnvVar{
				{Name: "A", Value: "$(a) $(k) $(WEB_SERVICE_HOST)"}, {Name: "B", ValueFrom: configKey("c", "b", nil)},
				{Name: "C", ValueFrom: secretKey("s", "k", nil)}, {Name: "a", Value: "own"},
				{Name: "D", ValueFrom: configKey("no", "b", &yes)}, {Name: "E", ValueFrom: secretKey("s", "no", &yes)},
			},
			want: []string{"a=own", "b=2", "P_a=1", "P_b=2", "k=v", "A=1 v 10.0.0.9", "B=2", "C=v", "WEB_SERVICE_HOST=10.0.0.9"},
		},
		"no ConfigMap":     {env: []corev1.EnvVar{{Name: "A", ValueFrom: configKey("no", "b", nil)}}, err: `configmap "no" not found`},
		"no key":           {env: []corev1.EnvVar{{Name: "A", ValueFrom: configKey("c", "x", nil)}}, err: "couldn't find key x in ConfigMap ns/c"},
		"no Secret":        {env: []corev1.EnvVar{{Name: "A", ValueFrom: secretKey("no", "b", nil)}}, err: `secret "no" not found`},
		"no key of Secret": {env: []corev1.EnvVar{{Name: "A", ValueFrom: secretKey("s", "x", nil)}}, err: "couldn't find key x in Secret ns/s"},
		"from nothing":     {from: []corev1.EnvFromSource{fromSecret("no", nil)}, err: `secret "no" not found`},
	} {
		got, err := Environment(pod, &corev1.Container{EnvFrom: test.from, Env: test.env}, sources)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if text != test.err || !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, %v; want %q, %s", name, got, err, test.want, test.err)
		}
	}
}

func TestResourceValue(t *testing.T) {
	list := func(cpu, memory string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
	}
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{
		{Name: "a", Resources: corev1.ResourceRequirements{Limits: list("1500m", "65Mi"), Requests: list("250m", "1Mi")}}, {Name: "b"},
	}}}
	node := Node{Allocatable: list("4", "8Gi")}
	for _, test := range []struct{ container, resource, divisor, want string }{
		{"", "limits.cpu", "", "2"}, {"", "limits.cpu", "1m", "1500"}, {"", "requests.cpu", "", "1"}, {"", "requests.cpu", "1m", "250"},
		{"", "limits.memory", "", "68157440"}, {"", "limits.memory", "1Mi", "65"}, {"", "limits.memory", "1Gi", "1"}, {"", "requests.memory", "1Ki", "1024"},
		{"b", "limits.cpu", "", "4"}, {"b", "limits.memory", "1Gi", "8"}, {"b", "requests.cpu", "", "0"}, {"", "limits.hugepages-2Mi", "", "0"},
	} {
		ref := &corev1.ResourceFieldSelector{ContainerName: test.container, Resource: test.resource}
		if test.divisor != "" {
			ref.Divisor = resource.MustParse(test.divisor)
		}
		if got, err := ResourceValue(pod, &pod.Spec.Containers[0], ref, node); err != nil || got != test.want {
			t.Errorf("%+v: %s, %v", test, got, err)
		}
	}
}
