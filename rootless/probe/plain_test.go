package probe

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// answer serves connections that get some bytes whatever they send, and returns the address.
func answer(t *testing.T, bytes string, readFirst bool) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if readFirst {
				_, _ = conn.Read(make([]byte, 4096))
			}
			_, _ = io.WriteString(conn, bytes)
			conn.Close()
		}
	}()
	return listener.Addr().String()
}

// TestPlainIsTransport compares what becomes of odd answers with what net/http's own Transport makes of them.
func TestPlainIsTransport(t *testing.T) {
	dial := (&net.Dialer{}).DialContext
	own := plain{dial, nil}
	theirs := &http.Transport{DialContext: dial, DisableKeepAlives: true, DisableCompression: true}
	for name, bytes := range map[string]string{
		"nothing":       "",
		"no HTTP":       "SSH-2.0-OpenSSH_9.2\r\n",
		"half a header": "HTTP/1.1 200 OK\r\nContent-Le",
		"a bad status":  "HTTP/1.1 two OK\r\n\r\n",
		"a bad length":  "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
		"good":          "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"until the end": "HTTP/1.0 200 OK\r\n\r\nok",
		"chunks":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"half a body":   "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok",
		"informational": "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
		"never enough":  strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 50),
		"no content":    "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			address := answer(t, bytes, true)
			get := func(by http.RoundTripper) string {
				request, err := http.NewRequest(http.MethodGet, "http://"+address+"/x?y", nil)
				if err != nil {
					t.Fatal(err)
				}
				response, err := by.RoundTrip(request)
				if err != nil {
					return err.Error()
				}
				defer response.Body.Close()
				body, err := io.ReadAll(response.Body)
				return fmt.Sprint(response.Status, response.Header, string(body), err)
			}
			if got, want := get(own), get(theirs); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestPlainHeaderIsBounded(t *testing.T) {
	address := answer(t, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 2*maxHeader), true)
	request, err := http.NewRequest(http.MethodGet, "http://"+address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (plain{(&net.Dialer{}).DialContext, nil}).RoundTrip(request); err == nil || !strings.Contains(err.Error(), "headers exceeded") {
		t.Errorf("got %v", err)
	}
}

// TestPlainIsGivenUp ends the context while the server is silent, at each step.
func TestPlainIsGivenUp(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // whose kernel accepts
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	never := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Err: ctx.Err()}
	}
	for name, dial := range map[string]Dial{"dialing": never, "reading": (&net.Dialer{}).DialContext} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+silent.Addr().String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (plain{dial, nil}).RoundTrip(request); err != context.DeadlineExceeded { //nolint:errorlint // it is what Transport returns
			t.Errorf("%s: got %v", name, err)
		}
		cancel()
	}
}
