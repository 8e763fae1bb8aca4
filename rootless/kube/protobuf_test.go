package kube

import (
	"bytes"
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// envelope is what client-go sends.
func envelope(t testing.TB, version, name string, object interface{ Marshal() ([]byte, error) }) []byte {
	t.Helper()
	raw, err := object.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	u := runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: version, Kind: name}, Raw: raw}
	data, err := u.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return append(bytes.Clone(protobufPrefix), data...)
}

func TestDecodeProtobuf(t *testing.T) {
	want := &corev1.ConfigMap{TypeMeta: ConfigMaps.TypeMeta(), ObjectMeta: metav1.ObjectMeta{Name: "c"}, Data: map[string]string{"a": "b"}}
	got, err := ConfigMaps.DecodeProtobuf(envelope(t, "v1", "ConfigMap", want))
	if err != nil || !reflect.DeepEqual(got, Object(want)) {
		t.Errorf("%v, error %v", got, err)
	}
	encoded := envelope(t, "v1", "ConfigMap", want)
	for name, data := range map[string][]byte{
		"another kind": envelope(t, "v1", "Secret", want), "another version": envelope(t, "v2", "ConfigMap", want),
		"no prefix": encoded[1:], "cut off": encoded[:len(encoded)-20], "nothing": nil,
	} {
		if o, err := ConfigMaps.DecodeProtobuf(data); err == nil || o != nil {
			t.Errorf("%s: %v, error %v", name, o, err)
		}
	}
}

func FuzzDecodeProtobuf(f *testing.F) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "i"}}}}
	f.Add(envelope(f, "v1", "Pod", pod), uint8(0))
	f.Add(envelope(f, "v1", "ConfigMap", &corev1.ConfigMap{Data: map[string]string{"a": "b"}}), uint8(2))
	f.Fuzz(func(t *testing.T, data []byte, kind uint8) {
		k := Kinds[int(kind)%len(Kinds)]
		o, err := k.DecodeProtobuf(data)
		if (err == nil) != (o != nil) {
			t.Fatalf("object %v, error %v", o, err)
		}
		if err == nil { // and the other questions can be asked of it
			k.Default(o)
			k.Validate(o, Features{})
			WithoutEffect(o, Features{})
		}
	})
}
