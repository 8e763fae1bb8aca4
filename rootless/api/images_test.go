package api_test

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/peapod/peapod/rootless/api"
)

func TestImageHandlers(t *testing.T) {
	for _, test := range []struct {
		name, method, path, body string
		code                     int
		want                     []string // what is in the answer; what is not begins with "!"
	}{
		{"list", "GET", "", "", 200, []string{"[]"}},
		{"filter", "GET", "?filter=dangling", "", 400, []string{"want a value"}},
		{"inspect", "GET", "/inspect?reference=busybox", "", 200, []string{`"Id":"sha256:abab`, `"RepoTags":["busybox"]`}},
		{"inspect nothing", "GET", "/inspect", "", 400, []string{"reference"}},
		{"inspect missing", "GET", "/inspect?reference=missing", "", 404, []string{`image \"missing\": no such image`}},
		{"pull nothing", "POST", "/pull", "{}", 400, []string{"reference"}},
		{"pull no JSON", "POST", "/pull", "busybox", 400, []string{"decode body"}},
		{"pull misspelled", "POST", "/pull", `{"Reference":"busybox","Platfrom":"linux/arm64"}`, 400, []string{"Platfrom"}},
		{"pull too much", "POST", "/pull", `{"Reference":"` + strings.Repeat("a", 4<<20) + `"}`, 413, nil},
		{"pull by query", "POST", "/pull?reference=busybox", "", 200, []string{`"Loaded":[{"Name":"busybox","ID":"sha256:abab`, "!Error"}},
		{"pull", "POST", "/pull", `{"Reference":"busybox"}`, 200, []string{`"Loaded":[{"Name":"busybox"`}},
		{"pull missing", "POST", "/pull?reference=missing", "", 200, []string{`"Error":"pull missing: manifest unknown"`, "!Loaded"}},
		{"push", "POST", "/push", `{"Reference":"busybox","Destination":"a.example/b"}`, 200, []string{`"Pushed":{"Name":"a.example/b"`}},
		{"push nothing", "POST", "/push", `{}`, 400, []string{"reference"}},
		{"push missing", "POST", "/push", `{"Reference":"missing"}`, 200, []string{`"Error":"image \"missing\": no such image"`}},
		{"save", "GET", "/save?reference=a&reference=b", "", 200, []string{"docker-archive a\ndocker-archive b\n"}},
		{"save nothing", "GET", "/save", "", 400, []string{"reference"}},
		{"save missing", "GET", "/save?reference=a&reference=missing", "", 404, []string{"!docker-archive"}},
		{"save directory", "POST", "/save?reference=a&directory=/d&format=oci", "", 200, []string{"{}"}},
		{"save relative", "POST", "/save?reference=a&directory=d", "", 400, []string{"absolute"}},
		{"tag", "POST", "/tag", `{"Reference":"a","Names":["b"]}`, 200, []string{"{}"}},
		{"tag missing", "POST", "/tag", `{"Reference":"missing","Names":["b"]}`, 404, nil},
		{"remove", "POST", "/remove?reference=a", "", 200, []string{`"Untagged":["a"]`, `"Deleted":"abab`}},
		{"remove badly", "POST", "/remove?reference=a&force=perhaps", "", 400, []string{"perhaps"}},
		{"remove missing", "POST", "/remove?reference=missing", "", 404, nil},
		{"remove used", "POST", "/remove?reference=used", "", 409, []string{"Pod default/demo"}},
		{"prune", "POST", "/prune", `{"All":true}`, 200, []string{`"Removed":[]`}},
		{"prune by GET", "GET", "/prune", "", 405, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := withPods()
			b.UsedBy = map[string]string{"used": "Pod default/demo"}
			r := httptest.NewRequest(test.method, "/peapod/v1/images"+test.path, strings.NewReader(test.body))
			w := httptest.NewRecorder()
			api.New(b, quiet()).ServeHTTP(w, r)
			if w.Code != test.code {
				t.Errorf("code %d, want %d: %s", w.Code, test.code, w.Body)
			}
			for _, want := range test.want {
				text, not := strings.CutPrefix(want, "!")
				if strings.Contains(w.Body.String(), text) == not {
					t.Errorf("answer %s\nwant %s", w.Body, want)
				}
			}
			if w.Code >= 400 {
				checkStatus(t, w)
			}
		})
	}
}

// A password is in no log.
func TestCredentialsStaySecret(t *testing.T) {
	b := withPods()
	var log strings.Builder
	for _, request := range []string{
		`{"Reference":"missing","Username":"me","Password":"hunter2"}`, `{"Reference":"missing","Username":"me","Password":"hunter2"`,
	} {
		r := httptest.NewRequest("POST", "/peapod/v1/images/pull", strings.NewReader(request))
		w := httptest.NewRecorder()
		api.New(b, slog.New(slog.NewTextHandler(&log, nil))).ServeHTTP(w, r)
		if text := log.String() + w.Body.String(); strings.Contains(text, "hunter2") {
			t.Errorf("the password is in %s", text)
		}
	}
	if log.Len() == 0 {
		t.Error("nothing was logged")
	}
}
