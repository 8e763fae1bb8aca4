package api_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/peapod/peapod/rootless/api"
)

// FuzzRequest: whatever comes, the handler neither panics nor answers an error with anything but a Status.
func FuzzRequest(f *testing.F) {
	const pods = "/api/v1/namespaces/default/pods"
	f.Add("GET", pods, "labelSelector=app&fieldSelector=metadata.name=a", "application/json;as=Table;v=v1;g=meta.k8s.io", "")
	f.Add("GET", pods+"/demo/log", "container=nginx&tailLines=3&sinceTime=2026-01-02T03:04:05Z", "", "")
	f.Add("GET", pods+"/demo/exec", "container=nginx&command=a&stdout=1", "", "")
	f.Add("GET", pods+"/demo/attach", "container=nginx&stdin=1&stdout=1&tty=x", "", "")
	f.Add("GET", "/api/v1/pods", "watch=1&resourceVersion=99999&timeoutSeconds=1", "", "")
	f.Add("GET", "/api/v1/events", "fieldSelector=involvedObject.uid!=x", "*/*", "")
	f.Add("POST", pods, "dryRun=All", "", podJSON)
	f.Add("PATCH", pods+"/new", "fieldManager=me", "", podYAML)
	f.Add("PATCH", pods+"/new", "fieldManager=me", "", "a: &a [*a]")
	f.Add("DELETE", pods+"/demo", "gracePeriodSeconds=1", "", `{"gracePeriodSeconds":2,"preconditions":{"uid":"x"}}`)
	f.Fuzz(func(t *testing.T, method, path, query, accept, body string) {
		target := &url.URL{Path: path, RawQuery: query}
		if q := target.Query(); q.Has("watch") || q.Has("follow") {
			t.Skip("does not end")
		}
		r, err := http.NewRequest(method, "http://peapod/", strings.NewReader(body))
		if err != nil {
			t.Skip("no method")
		}
		r.URL.Path, r.URL.RawQuery = path, query
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		b := withPods()
		b.LogText["nginx"] = "line\n"
		api.New(b, quiet()).ServeHTTP(w, r)
		if w.Code >= 400 {
			checkStatus(t, w)
		}
	})
}
