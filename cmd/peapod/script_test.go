package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/peapod/peapod/rootless/api"
	"github.com/peapod/peapod/rootless/api/apitest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"peapod": main})
}

// TestScripts runs testdata/script: what a user types, against the real handlers and a node that is only memory (apitest). Beside
// testscript's own commands there are
//
//	put FILE          store a Pod as it is, with its status
//	set linger        a deleted Pod stays, terminating
//	set warning TEXT  of every apply
//	set log CONTAINER FILE
//	set used IMAGE USER
//	asked TEXT        the node's requests about images, printed by %+v, must have it
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			b := apitest.New()
			fill(b)
			socket := filepath.Join(env.WorkDir, "node.sock")
			env.Setenv("PEAPOD_NODE", socket)
			env.Setenv("GORACE", "atexit_sleep_ms=0") // under -race every process would sleep a second at its end
			env.Values["backend"] = b
			closeServer, err := listen(socket, b)
			if err == nil {
				env.Defer(closeServer)
			}
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"put": put, "set": set, "asked": asked},
	})
}

func listen(socket string, b api.Backend) (closeServer func(), err error) {
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: api.New(b, slog.New(slog.DiscardHandler)), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() // ends with Close
	return func() { _ = server.Close() }, nil
}

func put(ts *testscript.TestScript, _ bool, args []string) {
	var pod corev1.Pod
	ts.Check(yaml.Unmarshal([]byte(ts.ReadFile(args[0])), &pod))
	ts.Value("backend").(*apitest.Backend).Put(&pod)
}

func set(ts *testscript.TestScript, _ bool, args []string) {
	b := ts.Value("backend").(*apitest.Backend)
	switch args[0] {
	case "linger":
		b.Change(func() { b.Linger = true })
	case "warning":
		b.Change(func() { b.Warnings = append(b.Warnings, args[1]) })
	case "log":
		text := ts.ReadFile(args[2])
		b.Change(func() { b.LogText[args[1]] = text })
	case "used":
		b.Change(func() { b.UsedBy = map[string]string{args[1]: args[2]} })
	default:
		ts.Fatalf("set what? %v", args)
	}
}

func asked(ts *testscript.TestScript, neg bool, args []string) {
	b := ts.Value("backend").(*apitest.Backend)
	b.Change(func() {
		if text := fmt.Sprintf("%+v", b.Requests); strings.Contains(text, args[0]) == neg {
			ts.Fatalf("requests: %s", text)
		}
		b.Requests = nil
	})
}

// fill gives the node containers, images and what a pull reports.
func fill(b *apitest.Backend) {
	b.ContainerList, b.ImageList = someContainers(time.Now()), someImages(time.Now())
	b.Progress = []api.PullProgress{
		{Message: "Trying to pull docker.io/library/nginx:1.21..."},
		{Layer: "sha256:" + strings.Repeat("1", 64), Offset: 10, Total: 20},
		{Layer: "sha256:" + strings.Repeat("1", 64), Offset: 20, Total: 20, Done: true},
	}
}

func someContainers(now time.Time) []api.Container {
	pod := api.PodReference{Namespace: "default", Name: "demo", UID: "1b4e28ba"}
	one := func(n int, name, image, path string, args ...string) api.Container {
		return api.Container{
			ID: strings.Repeat(strconv.Itoa(n), 64), Name: "k8s_" + name + "_demo_default_1b4e28ba_0", Created: now.Add(-3 * time.Minute),
			Path: path, Args: args, Image: "sha256:" + strings.Repeat("f", 64), ImageName: image, Pod: pod, ContainerName: name,
			State:           api.ContainerState{Status: "running", Running: true, Pid: 1000 + n, StartedAt: now.Add(-2 * time.Minute)},
			NetworkSettings: api.NetworkSettings{IPAddress: "10.88.0.2", GlobalIPv6Address: "fd00::2"},
		}
	}
	containers := []api.Container{
		one(1, "POD", "", "pause"),
		one(2, "busybox", "busybox", "sleep", "3650d"),
		one(3, "nginx", "nginx:1.21", "/docker-entrypoint.sh", "nginx", "-g", "daemon off;"),
		one(4, "nginx", "nginx:1.21", "nginx"),
		one(5, "new", "busybox", "true"),
	}
	containers[3].Created = now.Add(-time.Hour)
	containers[3].State = api.ContainerState{Status: "exited", ExitCode: 137, FinishedAt: now.Add(-4 * time.Minute)}
	containers[4].State = api.ContainerState{Status: "created"}
	return containers
}

func someImages(now time.Time) []api.Image {
	return []api.Image{
		{ID: "sha256:" + strings.Repeat("a", 64), Names: []string{"docker.io/library/busybox:latest", "localhost:5000/busybox:1"},
			Digest: "sha256:" + strings.Repeat("d", 64), Size: 4_270_000, Created: now.Add(-30 * 24 * time.Hour)},
		{ID: strings.Repeat("b", 64), Size: 141_800_000, Created: now.Add(-48 * time.Hour)},
	}
}

func demoPod() *corev1.Pod {
	return &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "demo", UID: "u1", Labels: map[string]string{"app": "demo"}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{
			{Name: "busybox", Image: "busybox"}, {Name: "nginx", Image: "nginx:1.21"},
		}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
}

// node runs an apitest node for tests that do not fit a script.
func node(t *testing.T) (*apitest.Backend, func(name string) string) {
	t.Helper()
	b := apitest.New()
	b.Put(demoPod())
	socket := filepath.Join(t.TempDir(), "node.sock")
	closeServer, err := listen(socket, b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closeServer)
	return b, func(name string) string {
		if name == "PEAPOD_NODE" {
			return socket
		}
		return os.Getenv(name)
	}
}
