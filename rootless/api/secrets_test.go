package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/peapod/peapod/rootless/api"
	"github.com/peapod/peapod/rootless/api/apitest"
)

// withSecrets has the Secrets default/login, of a type and with a label, default/fixed, which is immutable, and other/login.
func withSecrets() *apitest.Backend {
	b, yes := apitest.New(), true
	data := map[string][]byte{"user": []byte("somebody"), "password": []byte("hunter2")}
	b.Put(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "login", Labels: map[string]string{"app": "demo"}},
		Type:       corev1.SecretTypeBasicAuth, Data: data,
	})
	b.Put(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "fixed"}, Type: corev1.SecretTypeOpaque, Data: data, Immutable: &yes,
	})
	b.Put(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "other", Name: "login"}, Type: corev1.SecretTypeOpaque})
	return b
}

func TestSecrets(t *testing.T) {
	const secrets = "/api/v1/namespaces/default/secrets"
	const apply = "Content-Type: application/apply-patch+yaml"
	const table = "Accept: application/json;as=Table;v=v1;g=meta.k8s.io"
	manifest := func(name, rest string) string {
		return `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"` + name + `"}` + rest + `}`
	}
	for _, test := range []struct {
		name         string
		method, path string
		header, body string
		code         int
		want         []string // in the answer; a leading ! means: not
	}{
		{"discovery", "GET", "/api/v1", "", "", 200, []string{`"name":"secrets","singularName":"secret","namespaced":true`}},
		{"list", "GET", secrets, "", "", 200, []string{`"kind":"SecretList"`, `"password":"aHVudGVyMg=="`, `!"namespace":"other"`, `!"podIP"`}},
		{"list all", "GET", "/api/v1/secrets", "", "", 200, []string{`"namespace":"other"`, `"namespace":"default"`}},
		{"by type", "GET", secrets + "?fieldSelector=type%3DOpaque", "", "", 200, []string{`"name":"fixed"`, `!"name":"login"`}},
		{"by a field of Pods", "GET", secrets + "?fieldSelector=status.phase%3Dx", "", "", 400, []string{"field label not supported"}},
		{"table", "GET", secrets, table, "", 200,
			[]string{`"cells":["fixed","Opaque","2"`, `"cells":["login","kubernetes.io/basic-auth","2"`, "!aHVudGVyMg", "!hunter2"}},
		{"get", "GET", secrets + "/login", "", "", 200, []string{`"kind":"Secret","apiVersion":"v1"`, `"type":"kubernetes.io/basic-auth"`}},
		{"get missing", "GET", secrets + "/demo", "", "", 404, []string{`secrets \"demo\" not found`}},

		{"create", "POST", secrets, "", manifest("new", `,"stringData":{"a":"b"}`), 201, []string{`"data":{"a":"Yg=="}`, `"type":"Opaque"`, "!stringData"}},
		{"create again", "POST", secrets, "", manifest("login", ""), 409, []string{`"reason":"AlreadyExists"`, `secrets \"login\" already exists`}},
		{"create another kind", "POST", secrets, "", podJSON, 400, []string{`unknown field \"spec\"`}},
		{"create wrongly", "POST", secrets, "", manifest("new", `,"type":"kubernetes.io/dockerconfigjson","stringData":{".dockerconfigjson":"hunter2"}`), 422,
			[]string{`Secret \"new\" is invalid`, `"field":"data[.dockerconfigjson]"`, "secret contents redacted", "!hunter2"}},
		{"create with a strange key", "POST", secrets, "", manifest("new", `,"data":{"a/b":""}`), 422, []string{`"field":"data[a/b]"`}},
		{"create with a field too many", "POST", secrets, "", manifest("new", `,"spec":{}`), 400, []string{`unknown field \"spec\"`}},

		{"apply", "PATCH", secrets + "/new?fieldManager=me", apply, "apiVersion: v1\nkind: Secret\nmetadata:\n  name: new\nstringData:\n  a: b\n", 201, []string{`"data":{"a":"Yg=="}`}},
		{"apply other data", "PATCH", secrets + "/login?fieldManager=me", apply,
			manifest("login", `,"type":"kubernetes.io/basic-auth","stringData":{"password":"x"}`), 200, []string{`"data":{"password":"eA=="}`, `!"user"`}},
		{"apply another type", "PATCH", secrets + "/login?fieldManager=me", apply, manifest("login", ""), 422, []string{`"field":"type"`, "field is immutable"}},
		{"apply to an immutable one", "PATCH", secrets + "/fixed?fieldManager=me", apply, manifest("fixed", `,"immutable":true`), 422,
			[]string{`"field":"data"`, "field is immutable when `immutable` is set"}},

		{"delete", "DELETE", secrets + "/login", "", `{"propagationPolicy":"Background"}`, 200, []string{`"name":"login"`}},
		{"delete missing", "DELETE", secrets + "/demo", "", "", 404, []string{`"reason":"NotFound"`}},
		{"logs", "GET", secrets + "/login/log", "", "", 404, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, test.path, strings.NewReader(test.body))
			if name, value, ok := strings.Cut(test.header, ": "); ok {
				r.Header.Set(name, value)
			}
			checkAnswer(t, api.New(withSecrets(), quiet()), r, test.code, test.want)
		})
	}
}

// A watch of Secrets sees nothing of Pods.
func TestWatchSecrets(t *testing.T) {
	b := withSecrets()
	server := httptest.NewServer(api.New(b, quiet()))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/api/v1/secrets?watch=1&fieldSelector=metadata.name%3Dlogin", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b.Put(demo("default", "login", nil))
	b.Put(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "login"}, Type: corev1.SecretTypeTLS})
	lines := bufio.NewScanner(response.Body)
	for _, want := range []string{"ADDED kubernetes.io/basic-auth", "ADDED Opaque", "MODIFIED kubernetes.io/tls"} {
		var frame struct {
			Type   string
			Object corev1.Secret
		}
		if !lines.Scan() {
			t.Fatal(lines.Err())
		}
		if err := json.Unmarshal(lines.Bytes(), &frame); err != nil {
			t.Fatal(err)
		}
		if got := frame.Type + " " + string(frame.Object.Type); got != want || frame.Object.Kind != "Secret" {
			t.Errorf("got %s of kind %q, want %s", got, frame.Object.Kind, want)
		}
	}
}
