package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/peapod/peapod/rootless/api"
	"github.com/peapod/peapod/rootless/api/apitest"
	"github.com/peapod/peapod/rootless/kube"
)

// stalled is a client that reads no answer.
type stalled struct {
	*httptest.ResponseRecorder
	reached chan struct{} // closed when there is something to read
	ctx     context.Context
}

func (s *stalled) Write([]byte) (int, error) {
	close(s.reached)
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

// TestStalledClient: whoever does not read the answer to a create or an apply holds up nobody else's.
func TestStalledClient(t *testing.T) {
	const pods = "/api/v1/namespaces/default/pods"
	for _, request := range []struct{ method, path, header string }{
		{"POST", pods, "application/json"}, {"PATCH", pods + "/new?fieldManager=me", "application/apply-patch+yaml"},
	} {
		h := api.New(withPods(), quiet())
		ctx, cancel := context.WithCancel(t.Context())
		client := &stalled{httptest.NewRecorder(), make(chan struct{}), ctx}
		served := make(chan struct{})
		go func() {
			defer close(served)
			r := httptest.NewRequest(request.method, request.path, strings.NewReader(podJSON))
			r.Header.Set("Content-Type", request.header)
			h.ServeHTTP(client, r)
		}()
		<-client.reached
		answered := make(chan int, 1)
		go func() {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("POST", pods, strings.NewReader(strings.Replace(podJSON, "new", "other", 1))))
			answered <- w.Code
		}()
		select {
		case code := <-answered:
			if code != http.StatusCreated {
				t.Errorf("%s: another client is answered %d", request.method, code)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s: another client gets no answer", request.method)
		}
		cancel()
		<-served
	}
}

// forgetful is a node that has forgotten the changes that a watch is to go on from.
type forgetful struct{ *apitest.Backend }

func (forgetful) WatchObjects(context.Context, *kube.Kind, string, string) (<-chan watch.Event, error) {
	events := make(chan watch.Event, 1)
	status := apierrors.NewResourceExpired("too old resource version: 7").Status()
	events <- watch.Event{Type: watch.Error, Object: &status}
	close(events)
	return events, nil
}

// TestWatchError: clients find out by its kind that the object of an error is a Status.
func TestWatchError(t *testing.T) {
	w := httptest.NewRecorder()
	api.New(forgetful{withPods()}, quiet()).ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/pods?watch=1&resourceVersion=7", nil))
	var frame struct {
		Type   string
		Object metav1.Status
	}
	if err := json.Unmarshal(w.Body.Bytes(), &frame); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	if o := frame.Object; frame.Type != "ERROR" || o.Kind != "Status" || o.APIVersion != "v1" || o.Code != http.StatusGone || o.Reason != metav1.StatusReasonExpired {
		t.Errorf("got %s", w.Body)
	}
}

// TestInitialEvents: an informer waits for the bookmark that ends what was there.
func TestInitialEvents(t *testing.T) {
	b := apitest.New()
	for _, name := range []string{"demo", "web"} {
		b.Events = append(b.Events, corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name + ".1"}, Message: "of " + name})
	}
	w := httptest.NewRecorder()
	api.New(b, quiet()).ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/events?watch=1&sendInitialEvents=1&allowWatchBookmarks=1&resourceVersionMatch=NotOlderThan", nil))
	var got []string
	for lines := bufio.NewScanner(w.Body); lines.Scan(); {
		var frame struct {
			Type   string
			Object corev1.Event
		}
		if err := json.Unmarshal(lines.Bytes(), &frame); err != nil {
			t.Fatal(err)
		}
		got = append(got, frame.Type+frame.Object.Name+frame.Object.Annotations[metav1.InitialEventsAnnotationKey])
		if frame.Type == "BOOKMARK" && frame.Object.ResourceVersion != "2" {
			t.Errorf("the bookmark is at version %q", frame.Object.ResourceVersion)
		}
	}
	if want := "ADDEDdemo.1 ADDEDweb.1 BOOKMARKtrue"; strings.Join(got, " ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, " "), want)
	}
}

// TestDeleteByQuery: what a query says of the dependents counts as in a body.
func TestDeleteByQuery(t *testing.T) {
	b := withPods()
	h := api.New(b, quiet())
	for i, test := range []struct {
		query  string
		policy metav1.DeletionPropagation
		orphan bool
	}{
		{"propagationPolicy=Foreground", metav1.DeletePropagationForeground, false}, {"orphanDependents=true", "", true}, {"", "", false},
	} {
		b.Put(demo("default", "demo", nil))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("DELETE", "/api/v1/namespaces/default/pods/demo?"+test.query, nil))
		if len(b.Deletions) != i+1 {
			t.Fatalf("%q: nothing is deleted", test.query)
		}
		o := b.Deletions[i]
		policy := o.PropagationPolicy
		orphan := o.OrphanDependents //nolint:staticcheck // older clients say it so
		if (policy != nil) != (test.policy != "") || policy != nil && *policy != test.policy || (orphan != nil && *orphan) != test.orphan {
			t.Errorf("%q: the backend is told %+v", test.query, o)
		}
	}
}
