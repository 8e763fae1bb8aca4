package api_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/peapod/peapod/rootless/api"
	"github.com/peapod/peapod/rootless/api/apitest"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func demo(namespace, name string, labels map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "busybox", Image: "busybox"}, {Name: "nginx", Image: "nginx:1.21"}}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning},
	}
}

// withPods has default/demo (app=demo), default/web (app=web) and kube/demo.
func withPods() *apitest.Backend {
	b := apitest.New()
	b.Put(demo("default", "demo", map[string]string{"app": "demo"}))
	b.Put(demo("default", "web", map[string]string{"app": "web"}))
	b.Put(demo("kube", "demo", nil))
	return b
}

const (
	podJSON = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"new"},"spec":{"containers":[{"name":"c","image":"i"}]}}`
	podYAML = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: new\nspec:\n  containers:\n  - name: c\n    image: i\n"
)

// podMore has a field that nobody knows, podProtobuf is podJSON as client-go would send it.
var (
	podMore     = strings.Replace(podJSON, `"spec":{`, `"spec":{"more":1,`, 1)
	podProtobuf = "k8s\x00\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x11\x0a\x05\x0a\x03new\x12\x08\x12\x06\x0a\x01c\x12\x01i"
)

func TestAnswers(t *testing.T) {
	const pods = "/api/v1/namespaces/default/pods"
	const patch = pods + "/new?fieldManager=me"
	applyType := "Content-Type: application/apply-patch+yaml"
	const strategicType, mergeType = "Content-Type: application/strategic-merge-patch+json", "Content-Type: application/merge-patch+json"
	const jsonPatchType = "Content-Type: application/json-patch+json"
	const addDebugger = `{"spec":{"ephemeralContainers":[{"name":"debugger","image":"b","targetContainerName":"nginx"}]}}`
	table := "Accept: application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
	for _, test := range []struct {
		name         string
		method, path string
		header, body string
		code         int
		want         []string // in the answer; a leading ! means: not
	}{
		{"versions", "GET", "/api", "", "", 200, []string{`"kind":"APIVersions"`, `"versions":["v1"]`}},
		{"groups", "GET", "/apis", "", "", 200, []string{`"groupVersion":"apps/v1"`, `"groupVersion":"batch/v1"`}},
		{"resources", "GET", "/api/v1", "", "", 200, []string{`"name":"pods"`, `"shortNames":["po"]`, `"pods/exec"`}},
		{"version", "GET", "/version", "", "", 200, []string{`"major":"1"`, `"minor":"37"`, `"gitVersion":"v1.37.0+peapod.0.1.0"`}},
		{"health", "GET", "/readyz", "", "", 200, []string{"ok"}},
		{"no such path", "GET", "/api/v2", "", "", 404, []string{`"kind":"Status"`, `"reason":"NotFound"`}},
		{"no such method", "PUT", pods, "", "", 405, []string{`"reason":"MethodNotAllowed"`}},
		{"pretty", "GET", "/api?pretty=1", "", "", 200, []string{"\n  \"kind\": \"APIVersions\""}},

		{"list", "GET", pods, "", "", 200, []string{`"kind":"PodList"`, `"resourceVersion":"4"`, `"name":"web"`, `!"kube"`}},
		{"list all", "GET", "/api/v1/pods", "", "", 200, []string{`"namespace":"kube"`, `"namespace":"default"`}},
		{"list empty", "GET", "/api/v1/namespaces/no/pods", "", "", 200, []string{`"items":[]`}},
		{"by label", "GET", pods + "?labelSelector=app%3Dweb", "", "", 200, []string{`"name":"web"`, `!"name":"demo"`}},
		{"by field", "GET", "/api/v1/pods?fieldSelector=metadata.name%3Ddemo,metadata.namespace%21%3Dkube", "", "", 200,
			[]string{`"name":"demo"`, `!"namespace":"kube"`, `!"name":"web"`}},
		{"by phase", "GET", pods + "?fieldSelector=status.phase%3DPending", "", "", 200, []string{`"items":[]`}},
		{"bad label", "GET", pods + "?labelSelector=a%3D%3D%3Db", "", "", 400, []string{`"reason":"BadRequest"`}},
		{"bad field", "GET", pods + "?fieldSelector=spec.x%3D1", "", "", 400, []string{"field label not supported: spec.x"}},
		{"bad flag", "GET", pods + "?watch=perhaps", "", "", 400, []string{"query parameter watch"}},
		{"table", "GET", pods, table, "", 200,
			[]string{`"kind":"Table"`, `"cells":["demo","0/2","Running","0"`, `"kind":"PartialObjectMetadata"`, `!"spec"`}},
		{"table of objects", "GET", pods + "?includeObject=Object", table, "", 200, []string{`"kind":"Table"`, `"kind":"Pod","apiVersion":"v1"`, `"spec":{`, `!"PartialObjectMetadata"`}},
		{"table of cells", "GET", pods + "?includeObject=None", table, "", 200, []string{`"cells":["demo","0/2"`, `"object":null`}},
		{"table of what", "GET", pods + "?includeObject=Some", table, "", 400, []string{`unrecognized includeObject value: \"Some\"`}},
		{"only protobuf", "GET", pods, "Accept: application/vnd.kubernetes.protobuf", "", 406, []string{`"reason":"NotAcceptable"`}},

		{"get", "GET", pods + "/demo", "", "", 200, []string{`"kind":"Pod"`, `"apiVersion":"v1"`, `"name":"demo"`}},
		{"get table", "GET", pods + "/demo", table, "", 200, []string{`"kind":"Table"`, `!"name":"web"`}},
		{"get missing", "GET", pods + "/no", "", "", 404, []string{`pods \"no\" not found`, `"reason":"NotFound"`}},

		{"create", "POST", pods, "Content-Type: application/json", podJSON, 201, []string{`"name":"new"`, `"namespace":"default"`}},
		{"create anywhere", "POST", "/api/v1/pods", "", podJSON, 201, []string{`"namespace":"default"`}},
		{"create again", "POST", pods, "", strings.Replace(podJSON, "new", "web", 1), 409, []string{`"reason":"AlreadyExists"`}},
		{"create elsewhere", "POST", "/api/v1/namespaces/other/pods", "", strings.Replace(podJSON, `"name":"new"`, `"name":"new","namespace":"x"`, 1),
			400, []string{"does not match the namespace sent on the request: x, other"}},
		{"create garbage", "POST", pods, "", "{", 400, []string{`"reason":"BadRequest"`}},
		{"create YAML", "POST", pods, "Content-Type: application/yaml", podYAML, 201, []string{`"name":"new"`}},
		{"create protobuf", "POST", pods, "Content-Type: application/vnd.kubernetes.protobuf", podProtobuf, 201, []string{`"name":"new"`, `"image":"i"`}},
		{"create bad protobuf", "POST", pods, "Content-Type: application/vnd.kubernetes.protobuf", "k8s", 400, []string{"does not appear to be a protobuf message"}},
		{"create what", "POST", pods, "Content-Type: text/plain", "", 415, []string{`"UnsupportedMediaType"`, "application/json, application/yaml"}},
		{"create with a new name", "POST", pods, "", strings.Replace(podJSON, `"name":"new"`, `"generateName":"new-"`, 1), 201, []string{`"generateName":"new-"`, `"name":"new-`}},
		{"unknown field", "POST", pods, "", podMore, 400, []string{`strict decoding error: unknown field \"spec.more\"`}},
		{"unknown field, strictly", "POST", pods + "?fieldValidation=Strict", "", podMore, 400, []string{`strict decoding error: unknown field \"spec.more\"`}},
		{"unknown field, leniently", "POST", pods + "?fieldValidation=Ignore", "", podMore, 201, []string{`"name":"new"`, `!more`}},
		{"validation of what", "POST", pods + "?fieldValidation=Some", "", podJSON, 400, []string{"fieldValidation"}},
		{"create too much", "POST", pods, "", strings.Repeat(" ", 3<<20) + podJSON, 413, []string{"limit is 3145728"}},

		{"apply", "PATCH", patch, applyType, podYAML, 201, []string{`"name":"new"`}},
		{"apply json", "PATCH", patch, applyType, podJSON, 201, []string{`"name":"new"`}},
		{"apply other name", "PATCH", pods + "/old?fieldManager=me", applyType, podYAML, 400,
			[]string{"the name of the object (new) does not match the name on the URL (old)"}},
		{"apply by nobody", "PATCH", pods + "/new", applyType, podYAML, 422, []string{`"reason":"Invalid"`, "fieldManager: Required value"}},
		{"apply twice the key", "PATCH", patch, applyType, podYAML + "kind: Pod\n", 400, []string{"already set"}},
		{"other patch", "PATCH", patch, "Content-Type: application/json", "{}", 415, []string{"application/apply-patch+yaml, application/json-patch+json, application/merge-patch+json"}},
		{"merge", "PATCH", pods + "/demo", mergeType, `{"metadata":{"labels":{"app":null,"b":"c"}}}`, 200, []string{`"labels":{"b":"c"}`}},
		{"strategic merge", "PATCH", pods + "/demo", strategicType, `{"spec":{"containers":[{"name":"nginx","image":"j"}]}}`, 200, []string{`"image":"busybox"`, `"image":"j"`}},
		{"JSON patch", "PATCH", pods + "/demo", jsonPatchType, `[{"op":"add","path":"/metadata/labels/b","value":"c"}]`, 200, []string{`"app":"demo","b":"c"`}},
		{"unknown field in a patch", "PATCH", pods + "/demo", mergeType, `{"spec":{"more":1}}`, 400, []string{`unknown field \"spec.more\"`}},
		{"unknown field in a patch, leniently", "PATCH", pods + "/demo?fieldValidation=Ignore", mergeType, `{"spec":{"more":1}}`, 200, []string{"!more"}},
		{"another name by a patch", "PATCH", pods + "/demo", mergeType, `{"metadata":{"name":"new"}}`, 400, []string{"does not match the name on the URL"}},
		{"kubectl's note", "PATCH", pods + "/demo?fieldManager=kubectl-last-applied", applyType, `metadata: {name: demo, annotations: {a: b}}`, 200,
			[]string{`"annotations":{"a":"b"}`, `"image":"busybox"`}},
		{"bad JSON patch", "PATCH", pods + "/demo", jsonPatchType, `[{"op":"remove","path":"/metadata/no"}]`, 400, []string{`there is no \"no\"`}},
		{"patch of an older one", "PATCH", pods + "/demo", mergeType, `{"metadata":{"resourceVersion":"1","labels":{"b":"c"}}}`, 409, []string{`"reason":"Conflict"`}},
		{"patch of nobody", "PATCH", pods + "/no", mergeType, `{}`, 404, []string{"NotFound"}},
		{"replace", "PUT", pods + "/web", "", strings.Replace(podJSON, `"name":"new"`, `"name":"web","labels":{"b":"c"}`, 1), 200, []string{`"labels":{"b":"c"}`, `"image":"i"`}},
		{"replace another", "PUT", pods + "/web", "", podJSON, 400, []string{"does not match the name on the URL"}},
		{"replace nobody", "PUT", pods + "/new", "", podJSON, 404, []string{"NotFound"}},
		{"scale of a Pod", "GET", pods + "/web/scale", "", "", 404, []string{"NotFound"}},
		{"openapi", "GET", "/openapi/v3", "", "", 200, []string{`"apis/apps/v1":{"serverRelativeURL":"/openapi/v3/apis/apps/v1?hash=`}},
		{"openapi v2", "GET", "/openapi/v2", "", "", 200, []string{`"swagger":"2.0"`}},
		{"part", "GET", pods + "/demo/ephemeralcontainers", "", "", 200, []string{`"name":"demo"`}},
		{"patch a part", "PATCH", pods + "/demo/ephemeralcontainers", strategicType, addDebugger, 200, []string{`"name":"debugger"`, `"targetContainerName":"nginx"`}},
		{"merge a part", "PATCH", pods + "/web/ephemeralcontainers", mergeType, addDebugger, 200, []string{`"name":"debugger"`}},
		{"put a part", "PUT", pods + "/demo/ephemeralcontainers", "", `{"metadata":{"name":"demo"},"spec":{"ephemeralContainers":[{"name":"nginx","image":"b"}]}}`, 422,
			[]string{`spec.ephemeralContainers[0].name: Duplicate value: \"nginx\"`}},
		{"a part of nobody", "PATCH", pods + "/nobody/ephemeralcontainers", strategicType, addDebugger, 404, []string{"NotFound"}},
		{"other patch of a part", "PATCH", pods + "/demo/ephemeralcontainers", applyType, "{}", 415, []string{"application/merge-patch+json, application/strategic-merge-patch+json"}},
		{"bad patch of a part", "PATCH", pods + "/demo/ephemeralcontainers", strategicType, `{"spec":{"x":1}}`, 400, []string{`unknown field \"spec.x\"`}},
		{"dry run of what", "PATCH", patch + "&dryRun=Some", applyType, podYAML, 400, []string{"dryRun"}},

		{"delete", "DELETE", pods + "/demo", "", "", 200, []string{`"deletionTimestamp"`}},
		{"delete by query", "DELETE", pods + "/demo?gracePeriodSeconds=7", "", "", 200, []string{`"deletionGracePeriodSeconds":7`}},
		{"delete by body", "DELETE", pods + "/demo?gracePeriodSeconds=7", "", `{"gracePeriodSeconds":3}`, 200, []string{`"deletionGracePeriodSeconds":3`}},
		{"delete missing", "DELETE", pods + "/no", "", "", 404, []string{`"reason":"NotFound"`}},
		{"delete strangely", "DELETE", pods + "/demo?gracePeriodSeconds=soon", "", "", 400, []string{"gracePeriodSeconds"}},
		{"delete how", "DELETE", pods + "/demo?propagationPolicy=Sideways", "", "", 422, []string{`"reason":"Invalid"`, `propagationPolicy: Unsupported value: \"Sideways\"`}},
		{"delete how by body", "DELETE", pods + "/demo", "", `{"propagationPolicy":"Sideways"}`, 422, []string{`Unsupported value: \"Sideways\"`}},
		{"delete how, twice", "DELETE", pods + "/demo", "", `{"propagationPolicy":"Orphan","orphanDependents":true}`, 422, []string{"propagationPolicy"}},
		{"delete backwards", "DELETE", pods + "/demo", "", `{"gracePeriodSeconds":-1}`, 400, []string{"negative"}},

		{"logs of what", "GET", pods + "/demo/log", "", "", 400,
			[]string{"a container name must be specified for pod demo, choose one of: [busybox nginx]"}},
		{"logs of no container", "GET", pods + "/demo/log?container=x", "", "", 400, []string{"container x is not valid for pod demo"}},
		{"logs since when", "GET", pods + "/demo/log?container=nginx&sinceSeconds=0", "", "", 400, []string{"sinceSeconds"}},
		{"exec without WebSocket", "GET", pods + "/demo/exec?container=nginx&command=true&stdout=1", "", "", 400, []string{"Upgrade request required"}},
		{"exec of nothing", "GET", pods + "/demo/exec?container=nginx&stdout=1", "", "", 400, []string{"at least 1 command"}},
		{"exec to nowhere", "GET", pods + "/demo/exec?container=nginx&command=true", "", "", 400, []string{"at least one of stdin, stdout, stderr"}},

		{"namespaces", "GET", "/api/v1/namespaces", "", "", 200, []string{`"kind":"NamespaceList"`, `"name":"default"`, `"phase":"Active"`}},
		{"create namespace", "POST", "/api/v1/namespaces", "", `{"metadata":{"name":"other"}}`, 201, []string{`"name":"other"`, `"kubernetes.io/metadata.name":"other"`, `!"namespace"`}},
		{"create bad namespace", "POST", "/api/v1/namespaces", "", `{"metadata":{"name":"a.b"}}`, 422, []string{`metadata.name: Invalid value: \"a.b\": must not contain dots`}},
		{"namespace", "GET", "/api/v1/namespaces/default", "", "", 200, []string{`"kind":"Namespace"`}},
		{"namespace missing", "GET", "/api/v1/namespaces/no", "", "", 404, []string{`namespaces \"no\" not found`}},
		{"events", "GET", "/api/v1/events", "", "", 200, []string{`"kind":"EventList"`, `"items":[]`}},
		{"watch events of what", "GET", "/api/v1/events?watch=perhaps", "", "", 400, []string{`query parameter watch`}},

		{"containers", "GET", "/peapod/v1/containers", "", "", 200, []string{"[]"}},
		{"node version", "GET", "/peapod/v1/version", "", "", 200, []string{`"Network":"relay"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, test.path, strings.NewReader(test.body))
			if name, value, ok := strings.Cut(test.header, ": "); ok {
				r.Header.Set(name, value)
			}
			checkAnswer(t, api.New(withPods(), quiet()), r, test.code, test.want)
		})
	}
}

// checkAnswer looks for a code and for texts; a leading ! means that a text must not be there.
func checkAnswer(t *testing.T, h http.Handler, r *http.Request, code int, texts []string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != code {
		t.Errorf("code %d, want %d: %s", w.Code, code, w.Body)
	}
	for _, want := range texts {
		text, not := strings.CutPrefix(want, "!")
		if strings.Contains(w.Body.String(), text) == not {
			t.Errorf("answer %s\nwant %s", w.Body, want)
		}
	}
	if w.Code >= 400 {
		checkStatus(t, w)
	}
}

// checkStatus: every error is a whole metav1.Status.
func checkStatus(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	var status metav1.Status
	if err := json.Unmarshal(w.Body.Bytes(), &status); err != nil {
		t.Fatalf("answer %d is no JSON: %v: %q", w.Code, err, w.Body)
	}
	if status.Kind != "Status" || status.Status != "Failure" || int(status.Code) != w.Code {
		t.Errorf("answer %d with status %+v", w.Code, status)
	}
}

func TestApplyOutcomes(t *testing.T) {
	b := apitest.New()
	b.Warnings = []string{`spec.nodeSelector has "no" effect`}
	h := api.New(b, quiet())
	apply := func(query, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("PATCH", "/api/v1/namespaces/default/pods/new?fieldManager=me"+query, strings.NewReader(body))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	version := func(w *httptest.ResponseRecorder) string {
		var pod corev1.Pod
		if err := json.Unmarshal(w.Body.Bytes(), &pod); err != nil {
			t.Fatal(err)
		}
		return pod.ResourceVersion
	}
	if w := apply("&dryRun=All", podYAML); w.Code != 201 {
		t.Errorf("dry run: %d", w.Code)
	}
	first := apply("", podYAML)
	if first.Code != 201 {
		t.Errorf("first: %d, want 201 although the dry run came before", first.Code)
	}
	if got, want := first.Header().Get("Warning"), `299 - "spec.nodeSelector has \"no\" effect"`; got != want {
		t.Errorf("warning %s, want %s", got, want)
	}
	second := apply("", podYAML)
	if second.Code != 200 || version(second) != version(first) {
		t.Errorf("second: %d, version %s, want 200 and %s", second.Code, version(second), version(first))
	}
	third := apply("", strings.Replace(podYAML, "image: i", "image: j", 1))
	if third.Code != 200 || version(third) == version(first) {
		t.Errorf("third: %d, version %s, want 200 and another", third.Code, version(third))
	}
}

func TestEventSelection(t *testing.T) {
	b := apitest.New()
	for _, name := range []string{"demo", "web"} {
		b.Events = append(b.Events, corev1.Event{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name + ".1"}, Reason: "Pulled", Message: "of " + name,
			InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "default", Name: name, UID: "u-1"},
		})
	}
	r := httptest.NewRequest("GET", "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dweb,involvedObject.uid%3Du-1", nil)
	r.Header.Set("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
	w := httptest.NewRecorder()
	api.New(b, quiet()).ServeHTTP(w, r)
	if body := w.Body.String(); !strings.Contains(body, `"pod/web"`) || strings.Contains(body, "of demo") {
		t.Errorf("got %s", body)
	}
	w = httptest.NewRecorder()
	r = httptest.NewRequest("GET", "/api/v1/namespaces/default/events?watch=1&fieldSelector=involvedObject.name%3Dweb", nil)
	api.New(b, quiet()).ServeHTTP(w, r)
	if body := w.Body.String(); strings.Count(body, `"type":"ADDED"`) != 1 || !strings.Contains(body, `"kind":"Event","apiVersion":"v1"`) || strings.Contains(body, "of demo") {
		t.Errorf("watch: got %s", body)
	}
}

func TestLogs(t *testing.T) {
	b := withPods()
	b.LogText["nginx"] = "one\ntwo\nthree\n"
	h := api.New(b, quiet())
	for query, want := range map[string]string{
		"":                        "one\ntwo\nthree\n",
		"&tailLines=1":            "three\n",
		"&tailLines=0":            "",
		"&previous=true":          "previous\n",
		"&timestamps&tailLines=1": "2026-01-02T03:04:05Z three\n",
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/namespaces/default/pods/demo/log?container=nginx"+query, nil))
		if w.Code != 200 || w.Body.String() != want || w.Header().Get("Content-Type") != "text/plain" {
			t.Errorf("%q: %d %q, want %q", query, w.Code, w.Body, want)
		}
	}
}

func TestShutdownAnswersFirst(t *testing.T) {
	b := apitest.New()
	server := httptest.NewServer(api.New(b, quiet()))
	defer server.Close()
	response, err := http.Post(server.URL+"/peapod/v1/shutdown", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	response.Body.Close()
	if response.StatusCode != 200 || string(body) != "{}\n" {
		t.Errorf("%d %q", response.StatusCode, body)
	}
	<-b.Stopped
}
