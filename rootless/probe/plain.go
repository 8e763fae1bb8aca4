package probe

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"time"
)

// plain makes requests of HTTP/1.1 without TLS, each on a connection of its own, which the caller's goroutine writes to and reads from. net/http's
// Transport has two goroutines for each connection, and to hand everything to and from them takes most of the time of so small a
// request. What goes wrong has the texts that Transport gives it. Other requests are passed on.
type plain struct {
	dial   Dial
	others http.RoundTripper
}

const maxHeader = 1 << 20 // bytes, with those of answers of status 1xx that come before

// RoundTrip implements http.RoundTripper.
func (p plain) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Scheme != "http" {
		return p.others.RoundTrip(request)
	}
	ctx := request.Context()
	response, err := p.ask(ctx, request)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return response, err
}

func (p plain) ask(ctx context.Context, request *http.Request) (*http.Response, error) {
	host, port := request.URL.Hostname(), request.URL.Port()
	if port == "" {
		port = "80"
	}
	conn, err := p.dial(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	end := func() error { stop(); return conn.Close() }
	response, err := exchange(conn, request)
	if err != nil {
		_ = end() // the first error says more
		return nil, err
	}
	response.Body = body{response.Body, end}
	return response, nil
}

// body is what is left of an answer, and the connection it comes by.
type body struct {
	io.Reader
	end func() error
}

// Close implements io.Closer.
func (b body) Close() error { return b.end() }

// exchange writes a request and reads an answer's header. A server may answer before it has read the request, and close the
// connection, so that the request cannot be written any more: the answer counts.
func exchange(conn net.Conn, request *http.Request) (*http.Response, error) {
	last := *request
	last.Close = true
	writeErr := last.Write(conn)
	limited := &io.LimitedReader{R: conn, N: maxHeader}
	r := bufio.NewReader(limited)
	if _, err := r.Peek(1); err != nil {
		return nil, cmp.Or(writeErr, err)
	}
	for {
		response, err := http.ReadResponse(r, &last)
		switch {
		case err != nil && limited.N == 0:
			return nil, fmt.Errorf("net/http: server response headers exceeded %d bytes; aborted", maxHeader)
		case err != nil:
			return nil, fmt.Errorf("net/http: HTTP/1.x transport connection broken: %w", err)
		case response.StatusCode >= http.StatusOK || response.StatusCode == http.StatusSwitchingProtocols:
			limited.N = math.MaxInt64 // whoever reads the body has a limit
			return response, nil
		}
	}
}
