package kube

import (
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func secret(change func(*corev1.Secret)) *corev1.Secret {
	s := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "s", Namespace: "default"},
		StringData: map[string]string{"a": "new", "c": "3"},
		Data:       map[string][]byte{"a": []byte("old"), "b": []byte("2")},
	}
	if change != nil {
		change(s)
	}
	Secrets.Default(s)
	return s
}

func TestDefaultSecret(t *testing.T) {
	s := secret(nil)
	want := map[string][]byte{"a": []byte("new"), "b": []byte("2"), "c": []byte("3")}
	if !reflect.DeepEqual(s.Data, want) || s.StringData != nil || s.Type != corev1.SecretTypeOpaque {
		t.Errorf("got %v, %v, %s", s.Data, s.StringData, s.Type)
	}
}

func TestSecretSize(t *testing.T) {
	for size, want := range map[int]string{
		corev1.MaxSecretSize - 4: "",
		corev1.MaxSecretSize - 2: "data: Too long: may not be more than 1048576 bytes",
	} {
		s := secret(func(s *corev1.Secret) { s.Data["b"] = make([]byte, size-1) })
		got := ""
		if err := Secrets.Validate(s, Features{}).ToAggregate(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%d bytes: %q, want %q", size, got, want)
		}
	}
}

func TestSecretUpdate(t *testing.T) {
	yes, no := true, false
	for name, test := range map[string]struct {
		immutable *bool // of the stored one
		change    func(*corev1.Secret)
		equal     bool
		want      string
	}{
		"nothing":                {change: func(*corev1.Secret) {}, equal: true},
		"kubectl's annotation":   {change: func(s *corev1.Secret) { s.Annotations = map[string]string{lastApplied: "x"} }, equal: true},
		"false is given no more": {immutable: &no, change: func(s *corev1.Secret) { s.Immutable = nil }},
		"data":                   {change: func(s *corev1.Secret) { s.StringData["a"] = "x" }},
		"a key less":             {change: func(s *corev1.Secret) { delete(s.Data, "b") }},
		"becomes immutable":      {change: func(s *corev1.Secret) { s.Immutable = &yes }},
		"type":                   {change: func(s *corev1.Secret) { s.Type = "x" }, want: "type: Invalid value: \"x\": field is immutable"},
		"labels of a fixed one":  {immutable: &yes, change: func(s *corev1.Secret) { s.Labels = map[string]string{"a": "b"} }},
		"data of a fixed one": {immutable: &yes, change: func(s *corev1.Secret) { s.StringData["a"] = "x" },
			want: "data: Forbidden: field is immutable when `immutable` is set"},
		"no longer fixed": {immutable: &yes, change: func(s *corev1.Secret) { s.Immutable = nil },
			want: "immutable: Forbidden: field is immutable when `immutable` is set"},
	} {
		stored := secret(func(s *corev1.Secret) { s.Immutable = test.immutable })
		applied := secret(func(s *corev1.Secret) {
			s.Immutable = test.immutable
			test.change(s)
		})
		if got := Secrets.Equal(applied, stored); got != test.equal {
			t.Errorf("%s: equal is %v", name, got)
		}
		got := ""
		if err := Secrets.ValidateUpdate(applied, stored).ToAggregate(); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		if Secrets.Adopt(stored, applied); !Secrets.Equal(applied, stored) {
			t.Errorf("%s: after Adopt they still differ", name)
		}
	}
}

func TestPullCredentials(t *testing.T) {
	config := func(text string) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "s"}, Type: corev1.SecretTypeDockerConfigJson,
			Data: map[string][]byte{corev1.DockerConfigJsonKey: []byte(text)}}
	}
	older := &corev1.Secret{Type: corev1.SecretTypeDockercfg, Data: map[string][]byte{corev1.DockerConfigKey: []byte(`{"r":{"username":"u"}}`)}}
	opaque := &corev1.Secret{Type: corev1.SecretTypeOpaque, Data: map[string][]byte{corev1.DockerConfigJsonKey: []byte(`{`)}}
	for name, test := range map[string]struct {
		secrets []*corev1.Secret
		want    string // MATCH USERNAME:PASSWORD of each
		err     string // the end of the error
	}{
		"none":         {},
		"other types":  {secrets: []*corev1.Secret{opaque, {Type: corev1.SecretTypeDockerConfigJson}}},
		"older":        {secrets: []*corev1.Secret{older}, want: "r u:"},
		"in order":     {secrets: []*corev1.Secret{older, config(`{"auths":{"b":{},"a":{}}}`)}, want: "r u:, a :, b :"},
		"base64":       {secrets: []*corev1.Secret{config(`{"auths":{"r":{"auth":"dXNlcjpwOmE=","username":"x"}}}`)}, want: "r user:p:a"},
		"no padding":   {secrets: []*corev1.Secret{config(`{"auths":{"r":{"auth":" dXNlcjpwOmE\n"}}}`)}, want: "r user:p:a"},
		"null":         {secrets: []*corev1.Secret{config(`{"auths":null}`)}},
		"keys":         {secrets: []*corev1.Secret{config(`{"auths":{"https://index.docker.io/v1/":{},"http://r:5000/v2/a":{},"r/":{},"*.r/v1":{}}}`)}, want: "*.r/v1 :, r:5000/a :, index.docker.io :, r :"},
		"no URL":       {secrets: []*corev1.Secret{config(`{"auths":{"%zz":{},"r":{}}}`)}, want: "r :"},
		"no colon":     {secrets: []*corev1.Secret{config(`{"auths":{"r":{"auth":"c2VjcmV0"}}}`)}, err: `secret "s": data[.dockerconfigjson]: "r": auth: must be base64 of USERNAME:PASSWORD`},
		"no base64":    {secrets: []*corev1.Secret{config(`{"auths":{"r":{"auth":"%%%"}}}`)}, err: `"r": auth: must be base64 of USERNAME:PASSWORD`},
		"no JSON":      {secrets: []*corev1.Secret{config(`{"auths":{"r":hunter2}}`)}, err: "no JSON from byte 15 on"},
		"a number":     {secrets: []*corev1.Secret{config(`{"auths":{"r":{"password":271828}}}`)}, err: `is not what docker's config.json has there`},
		"not a config": {secrets: []*corev1.Secret{config(`{"auths":[]}`)}, err: `"auths" is not what docker's config.json has there`},
	} {
		credentials, err := PullCredentials(test.secrets)
		var got []string
		for _, c := range credentials {
			got = append(got, c.Match+" "+c.Username+":"+c.Password)
		}
		if text := strings.Join(got, ", "); text != test.want {
			t.Errorf("%s: got %q, want %q", name, text, test.want)
		}
		if (err != nil) != (test.err != "") || err != nil && !strings.HasSuffix(err.Error(), test.err) {
			t.Errorf("%s: error %v, want …%s", name, err, test.err)
		}
		if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "271828")) {
			t.Errorf("%s: tells a secret: %v", name, err)
		}
	}
}
