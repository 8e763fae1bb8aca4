package image

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
)

// proxy stands before a registry and lets a test see and disturb the requests for blobs.
type proxy struct {
	address string
	blobs   atomic.Int32 // requests for layers and configurations
	asked   chan string  // gets each blob's path, if not nil
	hold    chan struct{}
	spoil   digest.Digest // the blob to be answered with other bytes
	answer  atomic.Value  // a func(http.ResponseWriter, *http.Request) bool; it answers a request for a blob, or returns false
}

func startProxy(t *testing.T, r *registry) *proxy {
	t.Helper()
	p := &proxy{}
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: r.address})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method != http.MethodGet || !strings.Contains(q.URL.Path, "/blobs/") {
			forward.ServeHTTP(w, q)
			return
		}
		p.blobs.Add(1)
		if p.asked != nil {
			p.asked <- q.URL.Path
		}
		if p.hold != nil {
			select {
			case <-p.hold:
			case <-q.Context().Done():
				return
			}
		}
		if p.spoil != "" && strings.HasSuffix(q.URL.Path, p.spoil.String()) {
			_, _ = w.Write([]byte("something else"))
			return
		}
		if answer, ok := p.answer.Load().(func(http.ResponseWriter, *http.Request) bool); ok && answer(w, q) {
			return
		}
		forward.ServeHTTP(w, q)
	}))
	t.Cleanup(server.Close)
	p.address = strings.TrimPrefix(server.URL, "http://")
	return p
}

// checkNothingLeft fails if the store has an image or a scratch file.
func checkNothingLeft(t *testing.T, s *Store) {
	t.Helper()
	if list, err := s.List(); err != nil || len(list) != 0 {
		t.Errorf("images after a failed pull: %v, %v", list, err)
	}
	for _, dir := range []string{s.scratch.Name(), filepath.Join(s.Root(), "overlay", "staging")} {
		if entries, err := os.ReadDir(dir); err != nil && !errors.Is(err, os.ErrNotExist) || len(entries) != 0 {
			t.Errorf("files of a failed pull in %s: %v, %v", dir, entries, err)
		}
	}
}

func TestPullOnce(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := startRegistry(t, registryOptions{})
	p := startProxy(t, r)
	p.asked, p.hold = make(chan string, 100), make(chan struct{})
	r.useInsecure(t, p.address)
	r.push(t, "app:1", smallImage())
	s := openStore(t)

	var done, reported [4]atomic.Bool
	var all sync.WaitGroup
	for n := range done {
		all.Go(func() {
			_, err := s.Pull(t.Context(), p.address+"/app:1", PullOptions{Report: func(p Progress) {
				if p.Layer == "" && p.Done {
					reported[n].Store(true)
				}
			}})
			if err != nil {
				t.Error(err)
			}
			done[n].Store(true)
		})
		if n == 0 {
			<-p.asked // the work is under way before the others join
		}
	}
	waitFor(t, "four calls to wait for one transfer", func() bool { return s.flights.waiting((&PullOptions{}).key(p.address+"/app:1")) == len(done) })
	close(p.hold)
	all.Wait()
	if got := p.blobs.Load(); got != 3 {
		t.Errorf("%d blobs were asked for, want 3: two layers and a configuration, once", got)
	}
	for n := range done {
		if !done[n].Load() || !reported[n].Load() {
			t.Errorf("call %d: done %v, reported %v", n, done[n].Load(), reported[n].Load())
		}
	}
}

func TestPullCancelled(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := startRegistry(t, registryOptions{})
	p := startProxy(t, r)
	p.asked, p.hold = make(chan string, 100), make(chan struct{})
	r.useInsecure(t, p.address)
	r.push(t, "app:1", smallImage())
	s := openStore(t)

	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-p.asked
		cancel()
	}()
	if _, err := s.Pull(ctx, p.address+"/app:1", PullOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled pull: %v, want context.Canceled", err)
	}
	checkNothingLeft(t, s)
	close(p.hold)
	if _, err := s.Pull(t.Context(), p.address+"/app:1", PullOptions{}); err != nil {
		t.Errorf("pull after a cancelled one: %v", err)
	}
}

func TestPullErrors(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := startRegistry(t, registryOptions{})
	private := startRegistry(t, registryOptions{auth: true})
	secure := startRegistry(t, registryOptions{tls: true})
	spoiled := startProxy(t, r)
	spoiled.spoil = build(t, smallImage()).manifest.Layers[1].Digest
	r.useInsecure(t, private.address, spoiled.address)
	r.push(t, "app:1", smallImage())
	private.push(t, "app:1", smallImage())
	closed := closedPort(t)
	s := openStore(t)

	for _, c := range []struct {
		name, ref string
		options   PullOptions
		class     error
		text      string
	}{
		{"bad name", "App:1", PullOptions{}, ErrInvalidReference, "invalid reference format"},
		{"no such tag", r.address + "/app:2", PullOptions{}, ErrManifestUnknown, "manifest unknown"},
		{"no such repository", r.address + "/none:1", PullOptions{}, ErrManifestUnknown, "unknown"},
		{"no such short name", "none:1", PullOptions{}, ErrManifestUnknown, "unknown"},
		{"nobody there", closed + "/app:1", PullOptions{}, ErrRegistryUnavailable, "connection refused"},
		{"no credentials", private.address + "/app:1", PullOptions{}, ErrUnauthorized, "peapod login " + private.address},
		{"wrong password", private.address + "/app:1", PullOptions{Username: "user", Password: "guess"}, ErrUnauthorized, "unauthorized"},
		{"unknown authority", secure.address + "/app:1", PullOptions{}, ErrRegistryUnavailable, "certs.d/" + secure.address},
		{"wrong layer", spoiled.address + "/app:1", PullOptions{}, nil, "layer 2 of 2"},
	} {
		_, err := s.Pull(t.Context(), c.ref, c.options)
		if err == nil {
			t.Errorf("%s: pulled", c.name)
			continue
		}
		if text := err.Error(); !strings.Contains(text, c.text) || !strings.Contains(text, c.ref) || strings.Contains(text, "\n") {
			t.Errorf("%s: %q; want one line with %q and %q", c.name, text, c.ref, c.text)
		}
		if c.class != nil && !errors.Is(err, c.class) {
			t.Errorf("%s: %q is not a %q", c.name, err, c.class)
		}
		t.Logf("%s: %v", c.name, err)
	}
	checkNothingLeft(t, s)
}

// closedPort returns an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestPullPlainHTTPNotAllowed(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := startRegistry(t, registryOptions{})
	s := openStore(t)
	_, err := s.Pull(t.Context(), r.address+"/app:1", PullOptions{})
	if !errors.Is(err, ErrRegistryUnavailable) || !strings.Contains(err.Error(), "insecure = true") {
		t.Errorf("HTTP without leave: %v; want the setting named", err)
	}
}

func TestPullPolicy(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	writeConfig(t, "policy.json", `{"default": [{"type": "reject"}]}`)
	r := startRegistry(t, registryOptions{})
	p := startProxy(t, r)
	r.useInsecure(t, p.address)
	r.push(t, "app:1", smallImage())
	s := openStore(t)
	if _, err := s.Pull(t.Context(), p.address+"/app:1", PullOptions{}); !errors.Is(err, ErrPolicy) {
		t.Errorf("pull against the policy: %v, want ErrPolicy", err)
	}
	if got := p.blobs.Load(); got != 0 {
		t.Errorf("%d blobs were fetched before the policy was asked", got)
	}
	checkNothingLeft(t, s)
}

func TestPullWithCredentials(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := startRegistry(t, registryOptions{auth: true})
	r.useInsecure(t)
	r.push(t, "app:1", smallImage())
	r.push(t, "app:2", smallImage())
	s := openStore(t)
	if _, err := s.Pull(t.Context(), r.address+"/app:1", PullOptions{Username: r.user, Password: r.password}); err != nil {
		t.Errorf("credentials given: %v", err)
	}
	// Where `podman login` puts them.
	dir := filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "containers")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	auth := base64.StdEncoding.EncodeToString([]byte(r.user + ":" + r.password))
	writeFile(t, filepath.Join(dir, "auth.json"), `{"auths": {"`+r.address+`": {"auth": "`+auth+`"}}}`)
	if _, err := s.Pull(t.Context(), r.address+"/app:2", PullOptions{}); err != nil {
		t.Errorf("credentials in auth.json: %v", err)
	}
}

func TestPullTrustsCertsD(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := startRegistry(t, registryOptions{tls: true})
	r.push(t, "app:1", smallImage())
	ca, err := os.ReadFile(r.ca)
	if err != nil {
		t.Fatal(err)
	}
	writeConfig(t, "certs.d/"+r.address+"/ca.crt", string(ca))
	if _, err := openStore(t).Pull(t.Context(), r.address+"/app:1", PullOptions{}); err != nil {
		t.Error(err)
	}
}

func TestPullTrustsSystem(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := startRegistry(t, registryOptions{tls: true})
	r.push(t, "app:1", smallImage())
	t.Setenv("SSL_CERT_FILE", r.ca) // crypto/x509 reads it when first needed, which is below
	if _, err := openStore(t).Pull(t.Context(), r.address+"/app:1", PullOptions{}); err != nil {
		t.Error(err)
	}
}

// A registry need not prove who it is, nor speak TLS, when the user says so for one pull.
func TestPullInsecure(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	for _, o := range []registryOptions{{tls: true}, {}} {
		r := startRegistry(t, o)
		r.push(t, "app:1", smallImage())
		if _, err := s.Pull(t.Context(), r.address+"/app:1", PullOptions{Insecure: true}); err != nil {
			t.Errorf("TLS %v: %v", o.tls, err)
		}
		if _, err := s.Pull(t.Context(), r.address+"/app:1", PullOptions{}); !errors.Is(err, ErrRegistryUnavailable) {
			t.Errorf("TLS %v, without leave: %v", o.tls, err)
		}
	}
}

// Mirrors are asked first, as registries.conf says, and the image has the name that was asked for.
func TestPullMirror(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := startRegistry(t, registryOptions{})
	closed := closedPort(t)
	writeConfig(t, "registries.conf", fmt.Sprintf(`
[[registry]]
prefix = "registry.example/team"
location = %q
insecure = true
[[registry.mirror]]
location = %q
insecure = true
[[registry.mirror]]
location = %q
insecure = true
`, closed+"/team", closed+"/copies", r.address+"/copies"))
	r.push(t, "copies/app:1", smallImage())
	s := openStore(t)
	i, err := s.Pull(t.Context(), "registry.example/team/app:1", PullOptions{})
	if err != nil || len(i.Names) != 1 || i.Names[0] != "registry.example/team/app:1" {
		t.Errorf("pull by a mirror: %+v, %v", i, err)
	}
}
