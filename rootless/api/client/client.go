// Package client is the command line's side of the node's API (package api): HTTP over a unix socket, typed by the same
// types. It is small on purpose: a command's whole run is a few milliseconds, so nothing here is prepared that is not used.
//
//	c := client.New(socket, start)
//	var pod corev1.Pod
//	err := c.Get(ctx, client.Request{Resource: "pods", Namespace: "default", Name: "demo"}, &pod)
//
// An answer of the node that is an error comes as *errors.StatusError of apimachinery, so that errors.IsNotFound and its
// siblings work. Everything else that goes wrong on the way to the node is an *Unreachable.
//
// A Client may be used from several goroutines. It connects again while a node that was killed is still going, and repeats a request to read
// that got no answer; nothing else is sent twice.
package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const tableType = "application/json;as=Table;v=v1;g=meta.k8s.io"

// Client speaks to one node.
type Client struct {
	socket string
	start  func(context.Context) error
	http   *http.Client
}

// New returns a Client for the node on socket. If nobody listens there, start is called (nil: that is an error) and has to
// return when the node answers.
func New(socket string, start func(context.Context) error) *Client {
	c := &Client{socket: socket, start: start}
	c.http = &http.Client{Transport: again{&http.Transport{DialContext: c.dial, DisableCompression: true}}}
	return c
}

// Transport carries requests of others to the node: the host of their addresses does not matter.
func (c *Client) Transport() http.RoundTripper { return c.http.Transport }

// again repeats a request to read that got no answer because the node died just then: the next one can answer it as well.
type again struct{ http.RoundTripper }

func (a again) RoundTrip(request *http.Request) (*http.Response, error) {
	connected := false
	ctx := httptrace.WithClientTrace(request.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected = true }})
	response, err := a.RoundTripper.RoundTrip(request.WithContext(ctx))
	reading := request.Method == http.MethodGet && (request.Body == nil || request.Body == http.NoBody)
	if err != nil && connected && reading && ctx.Err() == nil {
		return a.RoundTripper.RoundTrip(request)
	}
	return response, err
}

// Unreachable says that there was no conversation with the node.
type Unreachable struct {
	Socket string
	Err    error
}

func (u *Unreachable) Error() string {
	cause := u.Err
	var errno syscall.Errno
	if errors.As(cause, &errno) {
		cause = errno
	}
	return fmt.Sprintf("reach the node: %s: %v", u.Socket, cause)
}

func (u *Unreachable) Unwrap() error { return u.Err }

// dial connects with a node that answers. One that is just being killed still has its socket, where nobody accepts any more: what was sent
// there would be lost, and only a request to read could be repeated. So each connection begins with a question.
func (c *Client) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	for end := time.Now().Add(dyingTime); ; time.Sleep(5 * time.Millisecond) {
		conn, err := c.dialOnce(ctx)
		if err != nil {
			return nil, err
		}
		if err = greet(ctx, conn); err == nil {
			return conn, nil
		}
		conn.Close()
		if !hungUp(err) || time.Now().After(end) {
			return nil, c.noAnswer(err)
		}
	}
}

// dyingTime is how long a process that was killed may take to be gone, on a busy machine.
const dyingTime = 5 * time.Second

// greet asks whether somebody is there and reads the answer, whatever it is.
func greet(ctx context.Context, conn net.Conn) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	defer stop()
	if _, err := io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: peapod\r\n\r\n"); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func (c *Client) dialOnce(ctx context.Context) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", c.socket)
	absent := errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED)
	if err != nil && absent && c.start != nil {
		if err := c.start(ctx); err != nil {
			return nil, err
		}
		conn, err = dialer.DialContext(ctx, "unix", c.socket)
	}
	if err != nil {
		return nil, &Unreachable{c.socket, err}
	}
	return conn, nil
}

// Request names what to read: an object, or (without a Name) a list. Namespace "" is all of them.
type Request struct {
	Group           string // API group: "apps"; empty for the core
	Resource        string // "pods", "secrets", "events" …
	Namespace       string
	Name            string
	LabelSelector   string
	FieldSelector   string
	ResourceVersion string // of a watch: what it goes on after
	Table           bool   // as a metav1.Table
}

func (r Request) path(more ...string) string {
	parts := []string{"", "api", "v1"}
	if r.Group != "" {
		parts = []string{"", "apis", r.Group, "v1"}
	}
	if r.Namespace != "" {
		parts = append(parts, "namespaces", url.PathEscape(r.Namespace))
	}
	parts = append(parts, r.Resource)
	if r.Name != "" {
		parts = append(parts, url.PathEscape(r.Name))
	}
	return strings.Join(append(parts, more...), "/")
}

func (r Request) query() url.Values {
	values := url.Values{}
	for name, value := range map[string]string{
		"labelSelector": r.LabelSelector, "fieldSelector": r.FieldSelector, "resourceVersion": r.ResourceVersion,
	} {
		if value != "" {
			values.Set(name, value)
		}
	}
	return values
}

func (r Request) header() http.Header {
	if r.Table {
		return http.Header{"Accept": {tableType}}
	}
	return nil
}

// Get decodes the answer into a pointer: to the object's type, its list's type, a metav1.Table or a json.RawMessage.
func (c *Client) Get(ctx context.Context, r Request, into any) error {
	response, err := c.do(ctx, http.MethodGet, r.path(), r.query(), r.header(), nil)
	if err != nil {
		return err
	}
	return decode(response, into)
}

// decode reads a whole answer.
func decode(response *http.Response, into any) error {
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("read the node's answer: %w", err)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("decode the node's answer to %s: %w", response.Request.URL.Path, err)
	}
	return nil
}

// do sends a request. An answer of 400 or more becomes an error; the body of any other is the caller's to close.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, header http.Header, body []byte) (*http.Response, error) {
	return c.send(ctx, method, path, query, header, bytes.NewReader(body))
}

// send is do for a body that is a stream.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, header http.Header, body io.Reader) (*http.Response, error) {
	target := url.URL{Scheme: "http", Host: "peapod", Path: unescaped(path), RawPath: path, RawQuery: query.Encode()}
	request, err := http.NewRequestWithContext(ctx, method, target.String(), body)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.noAnswer(err)
	}
	if response.StatusCode < http.StatusBadRequest {
		return response, nil
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 1<<20)) // what there is of it will do
	return nil, statusError(response.StatusCode, text)
}

func unescaped(path string) string {
	if plain, err := url.PathUnescape(path); err == nil {
		return plain
	}
	return path
}

// noAnswer takes off what net/http puts around an error: a made-up URL.
func (c *Client) noAnswer(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if hungUp(err) {
		return &Unreachable{c.socket, fmt.Errorf("the node hung up: %w", err)}
	}
	return err
}

// statusError is the Status in an answer, or one made from its code if the answer is none.
func statusError(code int, body []byte) error {
	var status metav1.Status
	if json.Unmarshal(body, &status) == nil && status.Kind == "Status" {
		return &apierrors.StatusError{ErrStatus: status}
	}
	return apierrors.NewGenericServerResponse(code, "", schema.GroupResource{}, "", strings.TrimSpace(string(body)), 0, true)
}
