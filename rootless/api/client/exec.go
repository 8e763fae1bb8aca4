package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/gorilla/websocket"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/peapod/peapod/rootless/api"
)

// Exec runs a command in a container and returns its exit code; an error means that it did not run or that its end is unknown.
// Without a terminal stdin's end is passed on to the command.
//
// A read of request.Stdin may still be under way when Exec returns: nothing can interrupt a read of a terminal.
func (c *Client) Exec(ctx context.Context, namespace, name string, request api.ExecRequest) (int, error) {
	conn, err := c.upgrade(ctx, namespace, name, request)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()

	e := &execConn{conn: conn}
	if request.Stdin != nil {
		go e.sendStdin(request.Stdin)
	}
	ended := make(chan struct{})
	defer close(ended)
	if request.Resize != nil {
		go e.sendSizes(request.Resize, ended)
	}
	code, err := e.receive(request)
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	return code, err
}

func (c *Client) upgrade(ctx context.Context, namespace, name string, request api.ExecRequest) (*websocket.Conn, error) {
	query := url.Values{"command": request.Command}
	if request.Container != "" {
		query.Set("container", request.Container)
	}
	for name, on := range map[string]bool{
		"stdin": request.Stdin != nil, "stdout": request.Stdout != nil,
		"stderr": request.Stderr != nil && !request.TTY, "tty": request.TTY,
	} {
		if on {
			query.Set(name, "true")
		}
	}
	r := Request{Resource: "pods", Namespace: namespace, Name: name}
	dialer := websocket.Dialer{
		NetDialContext:  c.dial,
		Subprotocols:    []string{api.ProtocolV5},
		ReadBufferSize:  32 << 10,
		WriteBufferSize: 32<<10 + 16, // a frame's header and 32 KiB
	}
	conn, response, err := dialer.DialContext(ctx, "ws://peapod"+r.path("exec")+"?"+query.Encode(), nil)
	if errors.Is(err, websocket.ErrBadHandshake) {
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body) // what there is of it will do
		if response.StatusCode < http.StatusBadRequest {
			return nil, fmt.Errorf("exec: the node did not change to WebSocket: %s", response.Status)
		}
		return nil, statusError(response.StatusCode, body)
	}
	if err != nil {
		return nil, c.noAnswer(err)
	}
	return conn, nil
}

type execConn struct {
	conn *websocket.Conn
	mu   sync.Mutex // over writes to conn
}

func (e *execConn) send(channel byte, data []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	w, err := e.conn.NextWriter(websocket.BinaryMessage)
	if err != nil {
		return err
	}
	if _, err = w.Write([]byte{channel}); err == nil {
		_, err = w.Write(data)
	}
	if closeErr := w.Close(); err == nil {
		err = closeErr
	}
	return err
}

// sendStdin ends with the input or the connection. A read error ends the input: the command sees end of file.
func (e *execConn) sendStdin(stdin io.Reader) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := stdin.Read(buffer)
		if n > 0 && e.send(api.ChannelStdin, buffer[:n]) != nil {
			return
		}
		if err != nil {
			_ = e.send(api.ChannelClose, []byte{api.ChannelStdin}) // no connection: no need to say so
			return
		}
	}
}

func (e *execConn) sendSizes(sizes <-chan api.TerminalSize, ended <-chan struct{}) {
	for {
		select {
		case size, ok := <-sizes:
			if !ok {
				return
			}
			body, err := json.Marshal(size)
			if err != nil || e.send(api.ChannelResize, body) != nil {
				return
			}
		case <-ended:
			return
		}
	}
}

// receive copies output until the status comes.
func (e *execConn) receive(request api.ExecRequest) (int, error) {
	for {
		_, message, err := e.conn.NextReader()
		if err != nil {
			return 0, fmt.Errorf("exec: the node hung up before the command's end: %w", err)
		}
		var channel [1]byte
		if _, err := io.ReadFull(message, channel[:]); err != nil {
			continue // an empty message says nothing
		}
		out := io.Discard
		switch {
		case channel[0] == api.ChannelError:
			return exitCode(message)
		case channel[0] == api.ChannelStdout && request.Stdout != nil:
			out = request.Stdout
		case channel[0] == api.ChannelStderr && request.Stderr != nil:
			out = request.Stderr
		}
		if _, err := io.Copy(out, message); err != nil {
			return 0, fmt.Errorf("exec: pass on the command's output: %w", err)
		}
	}
}

// exitCode reads the Status at the end.
func exitCode(message io.Reader) (int, error) {
	var status metav1.Status
	if err := json.NewDecoder(message).Decode(&status); err != nil {
		return 0, fmt.Errorf("exec: decode the command's end: %w", err)
	}
	if status.Status == metav1.StatusSuccess {
		return 0, nil
	}
	if status.Reason == api.ReasonNonZeroExitCode && status.Details != nil {
		for _, cause := range status.Details.Causes {
			if cause.Type == api.CauseExitCode {
				return strconv.Atoi(cause.Message)
			}
		}
	}
	return 0, &apierrors.StatusError{ErrStatus: status}
}
