package image

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// registry is a real registry server on a loopback port.
type registry struct {
	address        string // HOST:PORT
	ca             string // file with the authority's certificate, or ""
	user, password string
}

type registryOptions struct{ tls, auth bool }

// startRegistry runs Debian's docker-registry until the test ends.
func startRegistry(t *testing.T, o registryOptions) *registry {
	t.Helper()
	binary, err := exec.LookPath("docker-registry")
	if err != nil {
		message := "docker-registry is not installed (apt-get install docker-registry)"
		if os.Getenv("PEAPOD_TEST_REQUIRE") != "" {
			t.Fatal(message)
		}
		t.Skip(message)
	}
	dir := t.TempDir()
	r := &registry{}
	config := fmt.Sprintf("version: 0.1\nstorage: {filesystem: {rootdirectory: %s/data}}\nhttp:\n  addr: 127.0.0.1:0\n", dir)
	if o.tls {
		r.ca = makeCertificate(t, dir)
		config += fmt.Sprintf("  tls: {certificate: %s/server.crt, key: %s/server.key}\n", dir, dir)
	}
	if o.auth {
		r.user, r.password = "user", "secret"
		// bcrypt("secret") with the least cost; the registry checks it on each request.
		writeFile(t, filepath.Join(dir, "htpasswd"), "user:"+bcryptOfSecret+"\n")
		config += fmt.Sprintf("auth: {htpasswd: {realm: test, path: %s/htpasswd}}\n", dir)
	}
	writeFile(t, filepath.Join(dir, "config.yml"), config)
	r.address = serve(t, binary, dir)
	return r
}

// serve starts the server, which chooses a port, and reads it from its log.
func serve(t *testing.T, binary, dir string) string {
	t.Helper()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c := exec.Command(binary, "serve", filepath.Join(dir, "config.yml"))
	c.Stdout, c.Stderr = log, log
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // the signal comes when the starting thread ends
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		runtime.UnlockOSThread()
	})
	listening := regexp.MustCompile(`listening on (127\.0\.0\.1:\d+)`)
	for range 500 {
		text, err := os.ReadFile(log.Name())
		if err != nil {
			t.Fatal(err)
		}
		if found := listening.FindSubmatch(text); found != nil {
			return string(found[1])
		}
		time.Sleep(10 * time.Millisecond)
	}
	text, _ := os.ReadFile(log.Name())
	t.Fatalf("docker-registry does not listen:\n%s", text)
	return ""
}

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// makeCertificate writes an authority's certificate and, by it, one for 127.0.0.1 with its key.
func makeCertificate(t *testing.T, dir string) (ca string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	write := func(name, kind string, der []byte, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, name)
		writeFile(t, file, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
		return file
	}
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, key.Public(), key)
	ca = write("ca.crt", "CERTIFICATE", der, err)
	der, err = x509.CreateCertificate(rand.Reader, server, authority, key.Public(), key)
	write("server.crt", "CERTIFICATE", der, err)
	der, err = x509.MarshalPKCS8PrivateKey(key)
	write("server.key", "PRIVATE KEY", der, err)
	return ca
}

// useInsecure writes a registries.conf by which HTTP is allowed and short names come from this registry.
func (r *registry) useInsecure(t *testing.T, addresses ...string) {
	t.Helper()
	text := fmt.Sprintf("unqualified-search-registries = [%q]\n", r.address)
	for _, address := range append(addresses, r.address) {
		text += fmt.Sprintf("[[registry]]\nlocation = %q\ninsecure = true\n", address)
	}
	writeConfig(t, "registries.conf", text)
}

// push stores an image in the registry by the OCI distribution protocol and returns its manifest's digest.
func (r *registry) push(t *testing.T, name string, image testImage) digest.Digest {
	t.Helper()
	return r.pushBuilt(t, name, build(t, image))
}

func (r *registry) pushBuilt(t *testing.T, name string, b *builtImage) digest.Digest {
	t.Helper()
	repository, _, _ := strings.Cut(name, ":")
	for _, content := range b.blobs {
		r.pushBlob(t, repository, content)
	}
	return r.pushManifest(t, name, imgspecv1.MediaTypeImageManifest, marshal(t, b.manifest))
}

// pushManifest names a manifest or an index REPOSITORY:TAG; without a tag it is there by its digest only.
func (r *registry) pushManifest(t *testing.T, name, mediaType string, content []byte) digest.Digest {
	t.Helper()
	sum := digest.FromBytes(content)
	repository, tag, tagged := strings.Cut(name, ":")
	if !tagged {
		tag = sum.String()
	}
	r.do(t, http.MethodPut, r.url("/v2/"+repository+"/manifests/"+tag), mediaType, content)
	return sum
}

func (r *registry) pushBlob(t *testing.T, repository string, content []byte) {
	t.Helper()
	sum := digest.FromBytes(content)
	place, err := url.Parse(r.do(t, http.MethodPost, r.url("/v2/"+repository+"/blobs/uploads/"), "", nil).Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	query := place.Query()
	query.Set("digest", sum.String())
	place.RawQuery = query.Encode()
	r.do(t, http.MethodPut, place.String(), "application/octet-stream", content)
}

func (r *registry) url(path string) string {
	if r.ca != "" {
		return "https://" + r.address + path
	}
	return "http://" + r.address + path
}

func (r *registry) do(t *testing.T, method, address, mediaType string, body []byte) http.Header {
	t.Helper()
	request, err := http.NewRequest(method, address, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", mediaType)
	if r.user != "" {
		request.SetBasicAuth(r.user, r.password)
	}
	// What is tested is the store's trust, not this client's.
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, _ := io.ReadAll(answer.Body); answer.StatusCode >= 300 {
		t.Fatalf("%s %s: %s\n%s", method, address, answer.Status, text)
	}
	return answer.Header
}

const bcryptOfSecret = "$2y$04$laV3zPEymvpa9tKJvzZawO2dXIoMqKmXoe0RKfbF2dylZRdyCWNji"
