package kube

import (
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func mergeForm(strategic bool) types.PatchType {
	if strategic {
		return types.StrategicMergePatchType
	}
	return types.MergePatchType
}

// patchPod is Patch, and what comes of it decoded.
func patchPod(before *corev1.Pod, patch []byte, form types.PatchType) (*corev1.Pod, error) {
	text, err := Patch(before, patch, form)
	if err != nil {
		return nil, err
	}
	o, err := Pods.Decode(text)
	if err != nil {
		return nil, err
	}
	return o.(*corev1.Pod), nil
}

func patched(t *testing.T, patch string, strategic bool) (*corev1.Pod, error) {
	t.Helper()
	before := pod(t, `{"containers": [{"name": "a", "image": "i:1", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]}, {"name": "b", "image": "j:1"}]}`)
	return patchPod(before, []byte(patch), mergeForm(strategic))
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

// TestPatchPrimitives: lists of what has no name are merged as sets where the API says so.
func TestPatchPrimitives(t *testing.T) {
	before := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Finalizers: []string{"a/b", "c/d"}}}
	for patch, want := range map[string]string{
		`{"metadata": {"finalizers": ["c/d", "e/f"]}}`:                                                     "a/b c/d e/f",
		`{"metadata": {"$deleteFromPrimitiveList/finalizers": ["a/b"], "finalizers": ["e/f"]}}`:            "c/d e/f",
		`{"metadata": {"$deleteFromPrimitiveList/finalizers": ["a/b", "c/d"]}}`:                            "",
		`{"metadata": {"$deleteFromPrimitiveList/finalizers": "a/b"}}`:                                     "error",
		`{"metadata": {"$deleteFromPrimitiveList/labels": ["a"], "$setElementOrder/finalizers": ["c/d"]}}`: "a/b c/d",
	} {
		got := "error"
		if o, err := patchPod(before, []byte(patch), types.StrategicMergePatchType); err == nil {
			got = strings.Join(o.GetFinalizers(), " ")
		}
		if got != want {
			t.Errorf("%s: %q, want %q", patch, got, want)
		}
	}
}

func FuzzPatch(f *testing.F) {
	forms := []types.PatchType{types.JSONPatchType, types.MergePatchType, types.StrategicMergePatchType}
	f.Add([]byte(`{"spec": {"containers": [{"name": "a", "$patch": "delete"}, {"$patch": "replace"}], "$retainKeys": ["x"]}}`), uint8(2))
	f.Add([]byte(`{"metadata": {"labels": {"a": null}}, "spec": {"ephemeralContainers": [{"name": "d"}]}}`), uint8(1))
	f.Add([]byte(`[{"op": "move", "from": "/spec/containers/0", "path": "/spec/containers/-"}, {"op": "test", "path": "/kind", "value": 1e2}]`), uint8(0))
	f.Add([]byte(`[{"op": "copy", "from": "", "path": "/metadata/labels"}, {"op": "remove", "path": "/a~1b/~0"}, {"op": "add", "path": "", "value": {}}]`), uint8(0))
	f.Fuzz(func(t *testing.T, patch []byte, form uint8) {
		o := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a"}}}}
		before, _ := json.Marshal(o)
		text, err := Patch(o, patch, forms[int(form)%len(forms)])
		if (err == nil) != json.Valid(text) {
			t.Errorf("JSON %s, error %v", text, err)
		}
		_, _ = Pods.Decode(text)
		if after, _ := json.Marshal(o); string(after) != string(before) {
			t.Errorf("the object itself was changed: %s", after)
		}
	})
}
