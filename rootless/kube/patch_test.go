package kube

import (
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func patched(t *testing.T, patch string, strategic bool) (*corev1.Pod, error) {
	t.Helper()
	before := pod(t, `{"containers": [{"name": "a", "image": "i:1", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]}, {"name": "b", "image": "j:1"}]}`)
	o, err := Patch(before, []byte(patch), strategic)
	if err != nil {
		return nil, err
	}
	return o.(*corev1.Pod), nil
}

// TestPatch has what kubectl sends, and the directives that its users write.
func TestPatch(t *testing.T) {
	show := func(p *corev1.Pod) string {
		var words []string
		for _, c := range Containers(p) {
			words = append(words, c.Name+"="+c.Image)
			for _, e := range c.Env {
				words = append(words, e.Name+":"+e.Value)
			}
		}
		return strings.Join(words, " ")
	}
	const untouched = "a=i:1 X:1 Y:2 b=j:1"
	for _, test := range []struct{ name, patch, strategic, plain string }{
		{"debug", `{"spec": {"$setElementOrder/ephemeralContainers": [{"name": "d"}], "ephemeralContainers": [{"name": "d", "image": "k"}]}}`,
			untouched + " d=k", ""},
		{"image", `{"spec": {"containers": [{"name": "b", "image": "j:2"}]}}`, "a=i:1 X:1 Y:2 b=j:2", "b=j:2"},
		{"nested list", `{"spec": {"containers": [{"name": "a", "env": [{"name": "Y", "value": "3"}, {"name": "Z"}]}]}}`, "a=i:1 X:1 Y:3 Z: b=j:1", "a= Y:3 Z:"},
		{"delete an element", `{"spec": {"containers": [{"name": "a", "$patch": "delete"}]}}`, "b=j:1", ""},
		{"replace an element", `{"spec": {"containers": [{"name": "a", "image": "x", "$patch": "replace"}]}}`, "a=x b=j:1", ""},
		{"replace a list", `{"spec": {"containers": [{"name": "c", "image": "x"}, {"$patch": "replace"}]}}`, "c=x", ""},
		{"null", `{"spec": {"containers": null}}`, "", ""},
		{"retain", `{"spec": {"$retainKeys": ["restartPolicy"]}}`, "", ""},
		{"no name", `{"spec": {"containers": [{"image": "x"}]}}`, "error", "=x"},
		{"unknown directive", `{"spec": {"$x": 1}}`, "error", "error"},
		{"unknown field", `{"spec": {"x": 1}}`, "error", "error"},
		{"no object", `[]`, "error", "error"},
		{"two values", `{}{}`, "error", "error"},
	} {
		for _, way := range []struct {
			strategic bool
			want      string
		}{{true, test.strategic}, {false, test.plain}} {
			if !way.strategic && way.want == "" && strings.Contains(test.patch, "$") {
				continue // means nothing there
			}
			got, p, err := "error", (*corev1.Pod)(nil), error(nil)
			if p, err = patched(t, test.patch, way.strategic); err == nil {
				got = show(p)
			}
			if got != way.want {
				t.Errorf("%s, strategic %v: %q, want %q (%v)", test.name, way.strategic, got, way.want, err)
			}
		}
	}
}

func FuzzPatch(f *testing.F) {
	f.Add([]byte(`{"spec": {"containers": [{"name": "a", "$patch": "delete"}, {"$patch": "replace"}], "$retainKeys": ["x"]}}`), true)
	f.Add([]byte(`{"metadata": {"labels": {"a": null}}, "spec": {"ephemeralContainers": [{"name": "d"}]}}`), false)
	f.Fuzz(func(t *testing.T, patch []byte, strategic bool) {
		o := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a"}}}}
		before, _ := json.Marshal(o)
		patchedObject, err := Patch(o, patch, strategic)
		if (err == nil) != (patchedObject != nil) {
			t.Errorf("object %v, error %v", patchedObject, err)
		}
		if after, _ := json.Marshal(o); string(after) != string(before) {
			t.Errorf("the object itself was changed: %s", after)
		}
	})
}
