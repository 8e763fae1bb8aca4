package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// serveHealth answers on a port without TLS and on the next one with it, under a certificate that nobody has signed. Whatever is asked for, by
// gRPC's health protocol or by GET, it is well if a file of its name is in /well.
func serveHealth(port int) error {
	plain, secret := new(http.Protocols), new(http.Protocols)
	plain.SetHTTP1(true)
	plain.SetUnencryptedHTTP2(true)
	secret.SetHTTP1(true)
	secret.SetHTTP2(true)
	certificate, err := selfSigned()
	if err != nil {
		return err
	}
	handler := http.HandlerFunc(answerHealth)
	failed := make(chan error)
	for _, s := range []*http.Server{
		{Protocols: plain, Handler: handler},
		{Protocols: secret, Handler: handler, TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}}},
	} {
		listener, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			return err
		}
		port++
		go func() {
			if s.TLSConfig == nil {
				failed <- s.Serve(listener)
			} else {
				failed <- s.ServeTLS(listener, "", "")
			}
		}()
	}
	return <-failed
}

func answerHealth(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/grpc.health.v1.Health/Check" {
		if !isWell(strings.TrimPrefix(r.URL.Path, "/")) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return
	}
	// Five bytes before the message, two before the service's name: shorter than 128 bytes here.
	request, err := io.ReadAll(r.Body)
	if err != nil || len(request) < 5 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	name := "whole"
	if len(request) > 7 {
		name = string(request[7:])
	}
	const serving, notServing = 1, 2
	status := byte(notServing)
	if isWell(name) {
		status = serving
	}
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status")
	_, _ = w.Write([]byte{0, 0, 0, 0, 2, 1 << 3, status}) // the client may be gone
	w.Header().Set("Grpc-Status", "0")
}

func isWell(name string) bool {
	_, err := os.Stat("/well/" + name)
	return err == nil
}

func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
