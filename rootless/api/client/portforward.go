package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/moby/spdystream"

	"github.com/peapod/peapod/rootless/api"
)

// A Forwarder carries connections to ports of one Pod.
type Forwarder struct {
	spdy  *spdystream.Connection
	ended chan struct{}
	last  atomic.Uint64 // request id
}

// PortForward begins a session. It ends with the context, with Close, or with the node.
func (c *Client) PortForward(ctx context.Context, namespace, name string) (*Forwarder, error) {
	conn, err := c.dial(ctx, "", "")
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	upgraded, err := upgradeToSPDY(conn, Request{Resource: "pods", Namespace: namespace, Name: name}.path("portforward"))
	if err == nil {
		f := &Forwarder{ended: make(chan struct{})}
		if f.spdy, err = spdystream.NewConnection(upgraded, false); err == nil {
			go func() {
				defer stop()
				f.spdy.Serve(spdystream.NoOpStreamHandler)
				close(f.ended)
			}()
			return f, nil
		}
	}
	stop()
	conn.Close()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return nil, err
}

// buffered is a connection of which the reader may have read ahead.
type buffered struct {
	net.Conn
	r *bufio.Reader
}

func (b *buffered) Read(p []byte) (int, error) { return b.r.Read(p) }

func upgradeToSPDY(conn net.Conn, path string) (net.Conn, error) {
	request := &http.Request{
		Method: http.MethodPost, URL: &url.URL{Scheme: "http", Host: "peapod", Path: unescaped(path), RawPath: path},
		Header: http.Header{"Connection": {"Upgrade"}, "Upgrade": {api.ForwardUpgrade}, api.ForwardHeader: {api.ForwardProtocol}},
	}
	if err := request.Write(conn); err != nil {
		return nil, err
	}
	r := bufio.NewReader(conn)
	response, err := http.ReadResponse(r, request)
	if err != nil {
		return nil, fmt.Errorf("port-forward: the node hung up: %w", err)
	}
	if response.StatusCode == http.StatusSwitchingProtocols {
		return &buffered{conn, r}, nil
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<20)) // what there is of it will do
	return nil, statusError(response.StatusCode, body)
}

// Ended is closed when the session has ended.
func (f *Forwarder) Ended() <-chan struct{} { return f.ended }

// Close ends the session.
func (f *Forwarder) Close() error { return f.spdy.Close() }

// streamTime is how long the node may take to accept a stream.
const streamTime = 30 * time.Second

// Carry connects a local connection with a port of the Pod until both have ended, and closes it. The error is the node's: that nobody
// listens on the port, for one.
func (f *Forwarder) Carry(local net.Conn, port uint16) error {
	defer local.Close()
	id := strconv.FormatUint(f.last.Add(1), 10)
	messages, err := f.open("error", id, port)
	if err != nil {
		return err
	}
	_ = messages.Close() // only the node writes to it
	problem := make(chan error, 1)
	go func() {
		text, err := io.ReadAll(messages)
		if err == nil && len(text) > 0 {
			err = errors.New(string(text))
		}
		problem <- err
	}()
	data, err := f.open("data", id, port)
	if err != nil {
		return err
	}
	remote := make(chan struct{})
	go func() {
		defer close(remote)
		_, _ = io.Copy(local, data)
		if half, ok := local.(*net.TCPConn); ok {
			_ = half.CloseWrite()
		}
	}()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.Copy(data, local)
		_ = data.Close()
	}()
	select {
	case <-remote:
	case <-f.ended:
	}
	err = nil
	select {
	case err = <-problem:
	case <-f.ended:
	}
	local.Close() // the Pod has closed: nobody reads what may still come
	<-sent
	_ = data.Reset()
	return err
}

func (f *Forwarder) open(kind, id string, port uint16) (*spdystream.Stream, error) {
	stream, err := f.spdy.CreateStream(http.Header{"Streamtype": {kind}, "Port": {strconv.Itoa(int(port))}, "Requestid": {id}}, nil, false)
	if err == nil {
		err = stream.WaitTimeout(streamTime)
	}
	if err != nil {
		return nil, fmt.Errorf("error creating %s stream for port %d: %w", kind, port, err)
	}
	return stream, nil
}
