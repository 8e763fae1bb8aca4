package volume

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

func testSources() Sources {
	return Sources{
		ConfigMap: func(name string) (*corev1.ConfigMap, error) {
			if name != "config" {
				return nil, apierrors.NewNotFound(corev1.Resource("configmap"), name)
			}
			return &corev1.ConfigMap{Data: map[string]string{"a": "text", "b": "more"}, BinaryData: map[string][]byte{"c": {0, 1}}}, nil
		},
		Secret: func(name string) (*corev1.Secret, error) {
			if name != "secret" {
				return nil, apierrors.NewNotFound(corev1.Resource("secret"), name)
			}
			return &corev1.Secret{Data: map[string][]byte{"key": []byte("hidden"), "a": []byte("of the secret")}}, nil
		},
		Field: func(path string) (string, error) {
			if path == "metadata.name" {
				return "demo", nil
			}
			return "", fmt.Errorf("unsupported fieldPath: %s", path)
		},
		Resource: func(ref *corev1.ResourceFieldSelector) (string, error) { return "of " + ref.ContainerName, nil },
	}
}

func lines(files Files) []string {
	var out []string
	for name, f := range files {
		user := ""
		if f.User != nil {
			user = fmt.Sprintf(" user %d", *f.User)
		}
		out = append(out, fmt.Sprintf("%s %o %q%s", name, f.Mode, f.Data, user))
	}
	slices.Sort(out)
	return out
}

func pointer[T any](v T) *T { return &v }

func TestProject(t *testing.T) {
	yes := pointer(true)
	config := func(c corev1.ConfigMapVolumeSource) corev1.VolumeSource { return corev1.VolumeSource{ConfigMap: &c} }
	named := func(name string) corev1.LocalObjectReference { return corev1.LocalObjectReference{Name: name} }
	field := func(path, field string) corev1.DownwardAPIVolumeFile {
		return corev1.DownwardAPIVolumeFile{Path: path, FieldRef: &corev1.ObjectFieldSelector{FieldPath: field}}
	}
	for _, c := range []struct {
		name   string
		source corev1.VolumeSource
		want   []string
		err    string
	}{
		{name: "all keys", source: config(corev1.ConfigMapVolumeSource{LocalObjectReference: named("config")}),
			want: []string{`a 644 "text"`, `b 644 "more"`, `c 644 "\x00\x01"`}},
		{name: "items, modes, users", source: config(corev1.ConfigMapVolumeSource{LocalObjectReference: named("config"), DefaultMode: pointer(int32(0o400)), DefaultUser: pointer(int64(5)),
			Items: []corev1.KeyToPath{{Key: "a", Path: "sub/x"}, {Key: "c", Path: "./y", Mode: pointer(int32(0o111)), User: pointer(int64(6))}}}),
			want: []string{`sub/x 400 "text" user 5`, `y 111 "\x00\x01" user 6`}},
		{name: "key missing", source: config(corev1.ConfigMapVolumeSource{LocalObjectReference: named("config"), Items: []corev1.KeyToPath{{Key: "x", Path: "x"}}}),
			err: "configmap references non-existent config key: x"},
		{name: "optional key missing", source: config(corev1.ConfigMapVolumeSource{LocalObjectReference: named("config"), Optional: yes,
			Items: []corev1.KeyToPath{{Key: "x", Path: "x"}, {Key: "a", Path: "a"}}}), want: []string{`a 644 "text"`}},
		{name: "missing", source: config(corev1.ConfigMapVolumeSource{LocalObjectReference: named("x")}), err: `configmap "x" not found`},
		{name: "optional missing", source: config(corev1.ConfigMapVolumeSource{LocalObjectReference: named("x"), Optional: yes})},
		{name: "secret", source: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "secret", DefaultMode: pointer(int32(0o440))}},
			want: []string{`a 440 "of the secret"`, `key 440 "hidden"`}},
		{name: "secret missing", source: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "x"}}, err: `secret "x" not found`},
		{name: "secret key missing", source: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "secret", Items: []corev1.KeyToPath{{Key: "x", Path: "x"}}}},
			err: "references non-existent secret key: x"},
		{name: "fields", source: corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{Items: []corev1.DownwardAPIVolumeFile{field("name", "metadata.name"),
			{Path: "cpu", Mode: pointer(int32(0o600)), ResourceFieldRef: &corev1.ResourceFieldSelector{ContainerName: "c"}}}}},
			want: []string{`cpu 600 "of c"`, `name 644 "demo"`}},
		{name: "field unknown", source: corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{Items: []corev1.DownwardAPIVolumeFile{field("x", "spec.x")}}},
			err: "unsupported fieldPath: spec.x"},
		{name: "projected", source: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{DefaultMode: pointer(int32(0o404)), Sources: []corev1.VolumeProjection{
			{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: named("config"), Items: []corev1.KeyToPath{{Key: "a", Path: "a"}}}},
			{Secret: &corev1.SecretProjection{LocalObjectReference: named("secret")}},
			{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{field("labels/name", "metadata.name")}}},
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token"}},
		}}}, want: []string{`a 404 "of the secret"`, `key 404 "hidden"`, `labels/name 404 "demo"`}},
		{name: "projected, two missing", source: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
			{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: named("x")}}, {Secret: &corev1.SecretProjection{LocalObjectReference: named("y")}},
		}}}, err: "configmap \"x\" not found\nsecret \"y\" not found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, err := Project(&c.source, testSources())
			if err != nil {
				if err.Error() != c.err {
					t.Errorf("error %q, want %q", err, c.err)
				}
				return
			}
			if got := lines(files); c.err != "" || !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"), c.err)
			}
		})
	}
}
