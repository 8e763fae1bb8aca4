package probe

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func testClient() *Client { return NewClient("1.37", (&net.Dialer{}).DialContext) }

// serve starts a server and returns the target and the port that reach it.
func serve(t *testing.T, tls bool, handler http.HandlerFunc) (Target, intstr.IntOrString) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetHTTP2(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	if tls {
		server.EnableHTTP2 = true
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	host, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	c := &corev1.Container{Name: "c", Ports: []corev1.ContainerPort{{Name: "web", ContainerPort: int32(number)}}}
	return Target{c, host}, intstr.FromInt(number)
}

func TestHTTP(t *testing.T) {
	var last atomic.Pointer[http.Request]
	handler := func(w http.ResponseWriter, r *http.Request) {
		last.Store(r)
		switch r.URL.Path {
		case "/bad":
			http.Error(w, "secret", http.StatusServiceUnavailable)
		case "/here":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/away":
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
		case "/round":
			http.Redirect(w, r, "/round", http.StatusFound)
		case "/slow":
			select {
			case <-r.Context().Done():
			case <-time.After(5 * time.Second):
			}
		}
	}
	to, port := serve(t, false, handler)
	get := func(path string) Outcome {
		return testClient().HTTP(t.Context(), &corev1.HTTPGetAction{Path: path, Port: port}, to, time.Second)
	}
	base := fmt.Sprintf("http://%s", net.JoinHostPort(to.IP, port.String()))
	for path, want := range map[string]Outcome{
		"/":      {Good: true},
		"/here":  {Good: true},
		"/bad":   {Text: "HTTP probe failed with statuscode: 503"},
		"/away":  {Good: true, Text: "Probe terminated redirects, Response body: <a href=\"http://192.0.2.1/\">Found</a>.\n\n"},
		"/round": {Text: `Get "/round": stopped after 10 redirects`},
		"/slow":  {Text: fmt.Sprintf(`Get "%s/slow": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`, base)},
	} {
		if got := get(path); got != want {
			t.Errorf("%s: got %+v, want %+v", path, got, want)
		}
	}
	action := &corev1.HTTPGetAction{Path: "/?q=1", Port: intstr.FromString("web"), HTTPHeaders: []corev1.HTTPHeader{
		{Name: "Host", Value: "example.org"}, {Name: "X-One", Value: "1"}, {Name: "x-one", Value: "2"}, {Name: "Accept", Value: ""}}}
	if got := testClient().HTTP(t.Context(), action, to, time.Second); !got.Good {
		t.Errorf("got %+v", got)
	}
	seen := last.Load()
	if seen.Host != "example.org" || len(seen.Header["X-One"]) != 2 || seen.UserAgent() != "kube-probe/1.37" || seen.Header["Accept"] != nil ||
		seen.Header["Accept-Encoding"] != nil || seen.URL.RawQuery != "q=1" || seen.Proto != "HTTP/1.1" {
		t.Errorf("the request was %s %+v %s %s", seen.Host, seen.Header, seen.URL, seen.Proto)
	}
	h2 := corev1.HTTPProtocolHTTP2
	if got := testClient().HTTP(t.Context(), &corev1.HTTPGetAction{Path: "/", Port: port, Protocol: &h2}, to, time.Second); !got.Good || last.Load().Proto != "HTTP/2.0" {
		t.Errorf("h2c: got %+v over %s", got, last.Load().Proto)
	}
	if got := testClient().HTTP(t.Context(), &corev1.HTTPGetAction{Path: "/", Port: intstr.FromString("none")}, to, time.Second); got.Err == nil {
		t.Errorf("a port that is not there: %+v", got)
	}
}

func TestHTTPSWithoutVerifying(t *testing.T) {
	to, port := serve(t, true, func(http.ResponseWriter, *http.Request) {})
	if got := testClient().HTTP(t.Context(), &corev1.HTTPGetAction{Path: "/", Port: port, Scheme: "HTTPS"}, to, 5*time.Second); !got.Good {
		t.Errorf("got %+v", got)
	}
}

func TestHook(t *testing.T) {
	agent := ""
	to, port := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		agent = r.UserAgent()
		http.Error(w, "no", http.StatusInternalServerError)
	})
	action := &corev1.HTTPGetAction{Path: "/", Port: port}
	if fellBack, err := testClient().Hook(t.Context(), action, to, 0); err != nil || fellBack || agent != "kube-lifecycle/1.37" {
		t.Errorf("got %v, %v, agent %q", fellBack, err, agent)
	}
	action.Scheme = "HTTPS"
	if fellBack, err := testClient().Hook(t.Context(), action, to, 0); err != nil || !fellBack {
		t.Errorf("HTTPS of an HTTP server: got %v, %v", fellBack, err)
	}
}

// refused is a port of this machine on which nobody listens.
func refused(t *testing.T) int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func TestTCP(t *testing.T) {
	to, port := serve(t, false, nil)
	if got := testClient().TCP(t.Context(), &corev1.TCPSocketAction{Port: port}, to, time.Second); !got.Good {
		t.Errorf("got %+v", got)
	}
	closed := refused(t)
	want := fmt.Sprintf("dial tcp 127.0.0.1:%d: connect: connection refused", closed)
	if got := testClient().TCP(t.Context(), &corev1.TCPSocketAction{Port: intstr.FromInt(closed)}, to, time.Second); got.Good || got.Text != want {
		t.Errorf("got %+v, want %s", got, want)
	}
	hangs := NewClient("1.37", func(ctx context.Context, network, address string) (net.Conn, error) {
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Net: network, Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80}, Err: ctx.Err()}
	})
	if got := hangs.TCP(t.Context(), &corev1.TCPSocketAction{Port: port}, to, 10*time.Millisecond); got.Text != "dial tcp 192.0.2.1:80: i/o timeout" {
		t.Errorf("got %+v", got)
	}
}

// health answers as a gRPC server does; what it says depends on the service asked for.
func health(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if r.URL.Path != "/grpc.health.v1.Health/Check" || r.Header.Get("Content-Type") != "application/grpc" || r.Header.Get("Te") != "trailers" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/grpc")
	answer := func(status byte) {
		w.Header().Set("Trailer", "Grpc-Status")
		_, _ = w.Write([]byte{0, 0, 0, 0, 2, 8, status})
		w.Header().Set("Grpc-Status", "0")
	}
	refuse := func(code, message string) {
		w.Header().Set("Grpc-Status", code)
		w.Header().Set("Grpc-Message", message)
	}
	switch service := strings.TrimLeft(string(body[min(len(body), 7):]), "\n"); service {
	case "":
		answer(1)
	case "down":
		answer(2)
	case "unheard":
		refuse("5", "unknown service")
	case "none":
		refuse("12", "unknown service grpc.health.v1.Health")
	case "slow":
		<-r.Context().Done()
	}
}

func TestGRPC(t *testing.T) {
	to, port := serve(t, false, health)
	closed := refused(t)
	call := func(service string, port int32) Outcome {
		return testClient().GRPC(t.Context(), &corev1.GRPCAction{Port: port, Service: &service}, to, 500*time.Millisecond)
	}
	open := int32(port.IntValue())
	for _, test := range []struct {
		service string
		port    int32
		want    Outcome
	}{
		{"", open, Outcome{Good: true}},
		{"down", open, Outcome{Text: `service unhealthy (responded with "NOT_SERVING")`}},
		{"unheard", open, Outcome{Text: "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service"}},
		{"none", open, Outcome{Text: "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): unknown service grpc.health.v1.Health"}},
		{"slow", open, Outcome{Text: "timeout: health rpc did not complete within 500ms"}},
		{"", int32(closed), Outcome{Text: fmt.Sprintf("timeout: failed to connect service \"127.0.0.1:%d\" within 500ms: context deadline exceeded", closed)}},
	} {
		if got := call(test.service, test.port); got != test.want {
			t.Errorf("%q: got %+v, want %+v", test.service, got, test.want)
		}
	}
	plain, other := serve(t, false, http.NotFound)
	got := testClient().GRPC(t.Context(), &corev1.GRPCAction{Port: int32(other.IntValue())}, plain, time.Second)
	if !strings.Contains(got.Text, "does not implement the grpc health protocol") {
		t.Errorf("a web server: got %+v", got)
	}
	secure, port := serve(t, true, health)
	mode := corev1.GRPCProbeModeTLS
	if got := testClient().GRPC(t.Context(), &corev1.GRPCAction{Port: int32(port.IntValue()), Mode: &mode}, secure, 5*time.Second); !got.Good {
		t.Errorf("TLS: got %+v", got)
	}
}

func TestHealthRequest(t *testing.T) {
	if got := healthRequest("ab"); string(got) != "\x00\x00\x00\x00\x04\x0a\x02ab" {
		t.Errorf("got %q", got)
	}
	if got := healthRequest(""); string(got) != "\x00\x00\x00\x00\x00" {
		t.Errorf("got %q", got)
	}
}

func FuzzReadHealth(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 2, 8, 1})
	f.Add([]byte{0, 0, 0, 0, 0})
	f.Add([]byte{0, 0, 0, 0, 6, 18, 2, 1, 1, 8, 2})
	f.Add([]byte{0, 0, 0, 0, 11, 18, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		status, err := readHealth(b)
		if err != nil && status != 0 {
			t.Errorf("%v with an error", status)
		}
	})
}

func TestReadHealth(t *testing.T) {
	for wire, want := range map[string]healthStatus{
		"\x00\x00\x00\x00\x02\x08\x01": serving, "\x00\x00\x00\x00\x00": 0, "\x00\x00\x00\x00\x06\x12\x02\x01\x01\x08\x02": 2,
		"\x00\x00\x00\x00\x07\x15\x01\x02\x03\x04\x08\x01": serving,
	} {
		if got, err := readHealth([]byte(wire)); err != nil || got != want {
			t.Errorf("%q: got %v, %v", wire, got, err)
		}
	}
	for _, wire := range []string{"", "\x00\x00\x00\x00", "\x01\x00\x00\x00\x02\x08\x01", "\x00\x00\x00\x00\x03\x08\x01", "\x00\x00\x00\x00\x02\x12\x09",
		"\x00\x00\x00\x00\x01\x08", "\x00\x00\x00\x00\x02\x15\x01", "\x00\x00\x00\x00\x01\x0b"} {
		if _, err := readHealth([]byte(wire)); err == nil {
			t.Errorf("%q is taken for an answer", wire)
		}
	}
}

// BenchmarkHTTP is what a check by HTTP costs, the server's part included.
func BenchmarkHTTP(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	address := server.Listener.Addr().(*net.TCPAddr)
	client, action := testClient(), &corev1.HTTPGetAction{Path: "/", Port: intstr.FromInt(address.Port)}
	for b.Loop() {
		if o := client.HTTP(b.Context(), action, Target{&corev1.Container{}, "127.0.0.1"}, time.Second); !o.Good {
			b.Fatal(o)
		}
	}
}
