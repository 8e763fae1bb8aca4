package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/yaml"
)

// proxyAccess is what a client of `peapod proxy` must know. Every user of the machine can connect to a port of the loopback interface, so
// there has to be a secret; and since clients send one only where TLS says who hears it (client-go drops tokens for http), a certificate.
type proxyAccess struct {
	address     string
	token       string
	certificate tls.Certificate // its own authority
}

func newProxyAccess(address string) (*proxyAccess, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	template := &x509.Certificate{
		SerialNumber: serial,
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0), // the key is gone when this process is
		IPAddresses: []net.IP{net.ParseIP(host)},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &proxyAccess{address, rand.Text(), tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}, nil
}

// tlsConfig has no HTTP/2: exec, attach and port-forward turn a connection of HTTP/1.1 into a stream.
func (p *proxyAccess) tlsConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{p.certificate}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}
}

// kubeconfig is a file for client-go.
func (p *proxyAccess) kubeconfig(namespace string) ([]byte, error) {
	type fields = map[string]any
	named := func(kind string, value fields) []fields { return []fields{{"name": "peapod", kind: value}} }
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.certificate.Certificate[0]})
	return yaml.Marshal(fields{
		"apiVersion": "v1", "kind": "Config", "current-context": "peapod",
		"clusters": named("cluster", fields{"server": "https://" + p.address, "certificate-authority-data": authority}),
		"users":    named("user", fields{"token": p.token}),
		"contexts": named("context", fields{"cluster": "peapod", "user": "peapod", "namespace": namespace}),
	})
}

// guard lets requests with the token pass, without it.
func (p *proxyAccess) guard(next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(p.token)) // of one length, whatever comes
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if got := sha256.Sum256([]byte(token)); subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			sendStatus(w, apierrors.NewUnauthorized("Unauthorized"))
			return
		}
		r.Header.Del("Authorization")
		next.ServeHTTP(w, r)
	})
}

// proxyTo hands requests to the node, and what comes of them back as it comes.
func proxyTo(node http.RoundTripper) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "peapod"}) },
		Transport:     node,
		FlushInterval: -1,
		ErrorLog:      quietly,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			sendStatus(w, apierrors.NewServiceUnavailable(err.Error()))
		},
	}
}

// quietly: a client that hangs up is nothing to talk about.
var quietly = log.New(io.Discard, "", 0)

func sendStatus(w http.ResponseWriter, err *apierrors.StatusError) {
	err.ErrStatus.Kind, err.ErrStatus.APIVersion = "Status", "v1"
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(int(err.ErrStatus.Code))
	_ = json.NewEncoder(w).Encode(err.ErrStatus)
}
