package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/peapod/peapod/rootless/api"
	"github.com/peapod/peapod/rootless/api/apitest"
	"github.com/peapod/peapod/rootless/api/client"
	"github.com/peapod/peapod/rootless/kube"
)

// serve puts the backend on a socket until the test ends.
func serve(t *testing.T, socket string, b api.Backend) {
	t.Helper()
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: api.New(b, slog.New(slog.DiscardHandler))}}
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
}

func node(t *testing.T) (*apitest.Backend, *client.Client) {
	t.Helper()
	b := apitest.New()
	b.Put(pod("demo", "1"))
	socket := filepath.Join(t.TempDir(), "node.sock")
	serve(t, socket, b)
	return b, client.New(socket, nil)
}

func pod(name, on string) *corev1.Pod {
	return &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Labels: map[string]string{"on": on}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "i"}, {Name: "b", Image: "i"}}},
	}
}

var demoRequest = client.Request{Resource: "pods", Namespace: "default", Name: "demo"}

func TestGet(t *testing.T) {
	_, c := node(t)
	var got corev1.Pod
	if err := c.Get(t.Context(), demoRequest, &got); err != nil || got.Name != "demo" {
		t.Errorf("got %q, %v", got.Name, err)
	}
	var list corev1.PodList
	if err := c.Get(t.Context(), client.Request{Resource: "pods", LabelSelector: "on=2"}, &list); err != nil || len(list.Items) != 0 {
		t.Errorf("got %d Pods, %v", len(list.Items), err)
	}
	var table metav1.Table
	if err := c.Get(t.Context(), client.Request{Resource: "pods", Table: true}, &table); err != nil || len(table.Rows) != 1 {
		t.Errorf("got %d rows, %v", len(table.Rows), err)
	}
	missing := demoRequest
	missing.Name = "a/../%2f"
	err := c.Get(t.Context(), missing, &got)
	if !apierrors.IsNotFound(err) || err.Error() != `pods "a/../%2f" not found` {
		t.Errorf("got %v", err)
	}
}

func TestStart(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "node.sock")
	var got corev1.PodList
	err := client.New(socket, nil).Get(t.Context(), client.Request{Resource: "pods"}, &got)
	var unreachable *client.Unreachable
	if !errors.As(err, &unreachable) || err.Error() != "reach the node: "+socket+": no such file or directory" {
		t.Errorf("nobody there: %v", err)
	}
	refused := errors.New("no")
	err = client.New(socket, func(context.Context) error { return refused }).Get(t.Context(), client.Request{Resource: "pods"}, &got)
	if !errors.Is(err, refused) || err.Error() != "no" {
		t.Errorf("start fails: %v", err)
	}
	starts := 0
	c := client.New(socket, func(context.Context) error {
		starts++
		serve(t, socket, apitest.New())
		return nil
	})
	for range 2 {
		if err := c.Get(t.Context(), client.Request{Resource: "pods"}, &got); err != nil {
			t.Errorf("started: %v", err)
		}
	}
	if starts != 1 {
		t.Errorf("started %d times", starts)
	}
}

func TestApply(t *testing.T) {
	newRequest := client.Request{Resource: "pods", Namespace: "default", Name: "new"}
	b, c := node(t)
	b.Warnings = []string{`"a" has no effect`, "nor has b"}
	one := pod("new", "1")
	apply := func(want api.Outcome) {
		t.Helper()
		body, err := json.Marshal(one)
		if err != nil {
			t.Fatal(err)
		}
		applied, err := c.Apply(t.Context(), newRequest, body, false)
		if err != nil {
			t.Fatal(err)
		}
		if applied.Outcome != want || !reflect.DeepEqual(applied.Warnings, b.Warnings) {
			t.Errorf("got %s, %q, want %s", applied.Outcome, applied.Warnings, want)
		}
	}
	apply(api.Created)
	apply(api.Unchanged)
	o, err := b.GetObject(kube.Pods, "default", "new")
	if err != nil {
		t.Fatal(err)
	}
	stored := o.(*corev1.Pod)
	stored.Status.Message = "has started meanwhile"
	b.Put(stored)
	apply(api.Unchanged)
	one.Labels["on"] = "2"
	apply(api.Configured)
	one.Spec.Containers[0].Image = "j"
	apply(api.Configured)
}

func TestDelete(t *testing.T) {
	_, c := node(t)
	seconds := int64(3)
	got, err := c.Delete(t.Context(), demoRequest, metav1.DeleteOptions{GracePeriodSeconds: &seconds})
	if err != nil || *got.DeletionGracePeriodSeconds != 3 {
		t.Fatalf("got %v, %v", got, err)
	}
	if _, err = c.Delete(t.Context(), demoRequest, metav1.DeleteOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("again: %v", err)
	}
}

func next(t *testing.T, stream *client.Stream) (string, *corev1.Pod) {
	t.Helper()
	var got corev1.Pod
	kind, err := stream.Next(&got)
	if err != nil {
		t.Fatal(err)
	}
	return kind, &got
}

func TestWatch(t *testing.T) {
	b, c := node(t)
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := c.Watch(ctx, client.Request{Resource: "pods", LabelSelector: "on=1"})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if kind, got := next(t, stream); kind != "ADDED" || got.Name != "demo" || got.Kind != "Pod" {
		t.Errorf("got %s %s %s", kind, got.Kind, got.Name)
	}
	b.Put(pod("other", "0"))
	b.Put(pod("demo", "0"))
	if kind, got := next(t, stream); kind != "DELETED" || got.Name != "demo" {
		t.Errorf("got %s %s", kind, got.Name)
	}
	b.Put(pod("demo", "1"))
	if kind, _ := next(t, stream); kind != "ADDED" {
		t.Errorf("got %s", kind)
	}
	b.Remove("default", "demo")
	kind, last := next(t, stream)
	if kind != "DELETED" {
		t.Errorf("got %s", kind)
	}

	later := client.Request{Resource: "pods", Namespace: "default", ResourceVersion: last.ResourceVersion, Table: true}
	b.Put(pod("late", "0"))
	tables, err := c.Watch(t.Context(), later)
	if err != nil {
		t.Fatal(err)
	}
	defer tables.Close()
	var table metav1.Table
	if kind, err := tables.Next(&table); err != nil || kind != "ADDED" || table.Rows[0].Cells[0] != "late" {
		t.Errorf("got %s, %v, %v", kind, table.Rows, err)
	}
	cancel()
	if _, err := stream.Next(&corev1.Pod{}); err == nil {
		t.Error("a cancelled watch goes on")
	}
	if _, err := c.Watch(t.Context(), client.Request{Resource: "pods", ResourceVersion: "old"}); !apierrors.IsResourceExpired(err) {
		t.Errorf("a forgotten version: %v", err)
	}
}

// A client that asks for initial events is told where they end.
func TestWatchList(t *testing.T) {
	b := apitest.New()
	b.Put(pod("demo", "1"))
	server := httptest.NewServer(api.New(b, slog.New(slog.DiscardHandler)))
	defer server.Close()
	response, err := http.Get(server.URL +
		"/api/v1/pods?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=1")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	lines := strings.Split(string(body), "\n")
	if err != nil || len(lines) != 3 || !strings.HasPrefix(lines[0], `{"type":"ADDED"`) ||
		!strings.HasPrefix(lines[1], `{"type":"BOOKMARK"`) || !strings.Contains(lines[1], `"k8s.io/initial-events-end":"true"`) {
		t.Errorf("got %q, %v", lines, err)
	}
}

func TestLogs(t *testing.T) {
	b, c := node(t)
	b.LogText["a"] = "one\ntwo\n"
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	one := int64(1)
	stream, err := c.Logs(ctx, "default", "demo", &corev1.PodLogOptions{Container: "a", TailLines: &one, Follow: true, Timestamps: true})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	want := "2026-01-02T03:04:05Z two\n"
	got := make([]byte, len(want))
	if _, err := io.ReadFull(stream, got); err != nil || string(got) != want {
		t.Errorf("got %q, %v", got, err)
	}
	cancel()
	if n, err := stream.Read(got); err == nil {
		t.Errorf("a cancelled log goes on: %q", got[:n])
	}
}

func TestExec(t *testing.T) {
	_, c := node(t)
	const much = 1 << 20
	for _, test := range []struct {
		name    string
		command string
		request api.ExecRequest
		code    int
		out     string
		err     string
	}{
		{name: "true", command: "true"},
		{name: "code", command: "exit 3", code: 3},
		{name: "stdout", command: "echo a b", out: "a b\n"},
		{name: "stderr", command: "complain a", err: "a\n"},
		{name: "container", command: "where", out: "a\n"},
		{name: "stdin", command: "cat", request: api.ExecRequest{Streams: api.Streams{Stdin: strings.NewReader("in")}}, out: "in"},
		{name: "empty stdin", command: "cat", request: api.ExecRequest{Streams: api.Streams{Stdin: strings.NewReader("")}}},
		{name: "much out", command: "yes 1048576", out: strings.Repeat("y", much)},
		{name: "much in", command: "cat", request: api.ExecRequest{Streams: api.Streams{Stdin: strings.NewReader(strings.Repeat("x", much))}}, out: strings.Repeat("x", much)},
		{name: "stdin unread", command: "true", request: api.ExecRequest{Streams: api.Streams{Stdin: strings.NewReader(strings.Repeat("x", much))}}},
		{name: "size", command: "size", request: api.ExecRequest{Streams: api.Streams{TTY: true, Resize: sizes(80, 24)}}, out: "80x24\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out, errOut bytes.Buffer
			r := test.request
			r.Container, r.Command, r.Stdout, r.Stderr = "a", strings.Fields(test.command), &out, &errOut
			code, err := c.Exec(t.Context(), "default", "demo", r)
			if err != nil || code != test.code || out.String() != test.out || errOut.String() != test.err {
				t.Errorf("code %d, %v, %d bytes out, %q", code, err, out.Len(), errOut.String())
			}
		})
	}
}

func sizes(width, height uint16) <-chan api.TerminalSize {
	c := make(chan api.TerminalSize, 1)
	c <- api.TerminalSize{Width: width, Height: height}
	return c
}

func TestExecErrors(t *testing.T) {
	b, c := node(t)
	exec := func(name, container, command string) error {
		_, err := c.Exec(t.Context(), "default", name, api.ExecRequest{Container: container, Command: []string{command}, Streams: api.Streams{Stdout: io.Discard}})
		return err
	}
	if err := exec("no", "a", "true"); !apierrors.IsNotFound(err) {
		t.Errorf("no such Pod: %v", err)
	}
	if err := exec("demo", "x", "true"); !apierrors.IsBadRequest(err) {
		t.Errorf("no such container: %v", err)
	}
	if err := exec("demo", "a", "nonsense"); !apierrors.IsInternalError(err) || !strings.Contains(err.Error(), "executable file not found") {
		t.Errorf("no such command: %v", err)
	}
	done := pod("done", "1")
	done.Status.Phase = corev1.PodSucceeded
	b.Put(done)
	if err := exec("done", "a", "true"); err == nil || err.Error() != "cannot exec into a container in a completed pod; current phase is Succeeded" {
		t.Errorf("completed: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := c.Exec(ctx, "default", "demo", api.ExecRequest{Container: "a", Command: []string{"sleep"}, Streams: api.Streams{Stdout: io.Discard}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("cancelled: %v", err)
	}
}

// A client of the older protocol is served too, and what makes no sense is passed over.
func TestExecV4(t *testing.T) {
	b := apitest.New()
	b.Put(pod("demo", "1"))
	server := httptest.NewServer(api.New(b, slog.New(slog.DiscardHandler)))
	defer server.Close()
	dialer := websocket.Dialer{Subprotocols: []string{api.ProtocolV4}}
	conn, _, err := dialer.Dial("ws"+strings.TrimPrefix(server.URL, "http")+
		"/api/v1/namespaces/default/pods/demo/exec?container=a&command=size&stdout=1&tty=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if conn.Subprotocol() != api.ProtocolV4 {
		t.Errorf("speaks %q", conn.Subprotocol())
	}
	for _, message := range []string{"", "\x04{", `{"Width":0}`, "\x07?", "\x00lost", "\xff", "\x04" + `{"Width":5,"Height":6}`} {
		if err := conn.WriteMessage(websocket.BinaryMessage, []byte(message)); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"\x015x6\n", "\x03" + `{"metadata":{},"status":"Success"}`} {
		if _, got, err := conn.ReadMessage(); err != nil || string(got) != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
}

func TestOwn(t *testing.T) {
	b, c := node(t)
	b.ContainerList = []api.Container{{ID: "1", Name: "k8s_POD_demo"}}
	b.ImageList = []api.Image{{ID: "2"}}
	if got, err := c.Containers(t.Context()); err != nil || !reflect.DeepEqual(got, b.ContainerList) {
		t.Errorf("containers: %v, %v", got, err)
	}
	if got, err := c.Images(t.Context()); err != nil || !reflect.DeepEqual(got, b.ImageList) {
		t.Errorf("images: %v, %v", got, err)
	}
	if got, err := c.Version(t.Context()); err != nil || *got != b.Version() {
		t.Errorf("version: %v, %v", got, err)
	}
	if err := c.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	<-b.Stopped
}

// A node that dies between taking a request and answering it is no error for who only wants to read.
func TestNodeDiesBeforeAnswer(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "node.sock")
	dying, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		conn, err := dying.Accept()
		if err != nil {
			return
		}
		dying.Close()
		conn.Close()
	}()
	started := 0
	c := client.New(socket, func(context.Context) error {
		started++
		next, err := net.Listen("unix", socket)
		if err != nil {
			return err
		}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte("[]"))
		})}
		t.Cleanup(func() { server.Close() })
		go func() { _ = server.Serve(next) }()
		return nil
	})
	if _, err := c.Containers(t.Context()); err != nil || started != 1 {
		t.Errorf("%v, a node was started %d times", err, started)
	}
}
