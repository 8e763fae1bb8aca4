package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestProxyAccess reads the kubeconfig as a client would. Who has not read it gets no answer, and the node never sees the token.
func TestProxyAccess(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	access, err := newProxyAccess(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	node := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %q", r.URL.Path, r.Header["Authorization"])
	})
	server := &http.Server{Handler: access.guard(node), TLSConfig: access.tlsConfig(), ErrorLog: quietly}
	defer server.Close()
	go func() { _ = server.ServeTLS(l, "", "") }()

	text, err := access.kubeconfig("default")
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Clusters []struct {
			Cluster struct {
				Server    string
				Authority string `json:"certificate-authority-data"`
			}
		}
		Users []struct{ User struct{ Token string } }
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	authority, err := base64.StdEncoding.DecodeString(config.Clusters[0].Cluster.Authority)
	roots := x509.NewCertPool()
	if err != nil || !roots.AppendCertsFromPEM(authority) {
		t.Fatalf("%v: %s", err, authority)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	token := config.Users[0].User.Token
	for header, want := range map[string]string{
		"Bearer " + token:           "200 /api []",
		"":                          "401 Unauthorized",
		"Bearer ":                   "401 Unauthorized",
		"Bearer " + token[1:]:       "401 Unauthorized",
		"Basic " + token:            "401 Unauthorized",
		"Bearer " + token + " more": "401 Unauthorized",
	} {
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, config.Clusters[0].Cluster.Server+"/api", nil)
		if header != "" {
			request.Header.Set("Authorization", header)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		got := fmt.Sprint(response.StatusCode, " ", string(body))
		if got != want && (!strings.HasPrefix(want, "401") || !strings.Contains(got, `"reason":"Unauthorized"`)) {
			t.Errorf("%q: got %s, want %s", header, got, want)
		}
	}
	if response, err := http.DefaultClient.Get(config.Clusters[0].Cluster.Server); err == nil { //nolint:noctx // it does not get far
		response.Body.Close()
		t.Error("a client that does not know the certificate is content with it")
	}
}

// TestRunWithLeavesSignals: what the terminal sends is for the command, which must not begin with the signal ignored.
func TestRunWithLeavesSignals(t *testing.T) {
	for name, signal := range map[string]syscall.Signal{"INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT} {
		var out strings.Builder
		a := &app{in: strings.NewReader(""), out: &out, err: &out}
		err := a.runWith(t.Context(), "none", []string{"sh", "-c", "ulimit -c 0; kill -" + name + " $$; echo it goes on"})
		var exit *exitError
		if !errors.As(err, &exit) || exit.code != 128+int(signal) || out.Len() > 0 {
			t.Errorf("SIG%s: %v, and %q", name, err, out.String())
		}
	}
}
