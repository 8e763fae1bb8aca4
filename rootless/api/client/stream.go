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

	"github.com/gorilla/websocket"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/peapod/peapod/rootless/api"
)

// stream is a session of exec or attach. It returns the exit code.
//
// A read of streams.Stdin may still be under way when it returns: nothing can interrupt a read of a terminal.
func (c *Client) stream(ctx context.Context, r Request, verb string, query url.Values, streams api.Streams) (int, error) {
	for name, on := range map[string]bool{
		"stdin": streams.Stdin != nil, "stdout": streams.Stdout != nil,
		"stderr": streams.Stderr != nil && !streams.TTY, "tty": streams.TTY,
	} {
		if on {
			query.Set(name, "true")
		}
	}
	channels, err := c.upgrade(ctx, r.path(verb), query)
	if err != nil {
		return 0, err
	}
	defer channels.Close()
	stop := context.AfterFunc(ctx, func() { channels.Close() })
	defer stop()

	s := &stream{Channels: channels, verb: verb, detached: make(chan struct{})}
	if streams.Stdin != nil {
		go s.sendStdin(streams.Stdin)
	}
	ended := make(chan struct{})
	defer close(ended)
	if streams.Resize != nil {
		go s.sendSizes(streams.Resize, ended)
	}
	code, err := s.receive(streams)
	select {
	case <-s.detached:
		return 0, api.ErrDetached
	default:
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	return code, err
}

func (c *Client) upgrade(ctx context.Context, path string, query url.Values) (*api.Channels, error) {
	dialer := websocket.Dialer{
		NetDialContext:  c.dial,
		Subprotocols:    []string{api.ProtocolV5},
		ReadBufferSize:  32 << 10,
		WriteBufferSize: api.FrameBuffer,
	}
	conn, response, err := dialer.DialContext(ctx, "ws://peapod"+path+"?"+query.Encode(), nil)
	if errors.Is(err, websocket.ErrBadHandshake) {
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body) // what there is of it will do
		if response.StatusCode < http.StatusBadRequest {
			return nil, fmt.Errorf("the node did not change to WebSocket: %s", response.Status)
		}
		return nil, statusError(response.StatusCode, body)
	}
	if err != nil {
		return nil, c.noAnswer(err)
	}
	return api.NewChannels(conn), nil
}

type stream struct {
	*api.Channels
	verb     string
	detached chan struct{} // closed when the input said so
}

// sendStdin ends with the input or the connection. A read error ends the input: the command sees end of file. The error ErrDetached
// ends the session.
func (s *stream) sendStdin(stdin io.Reader) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := stdin.Read(buffer)
		if n > 0 && s.Send(api.ChannelStdin, buffer[:n]) != nil {
			return
		}
		switch {
		case errors.Is(err, api.ErrDetached):
			close(s.detached)
			_ = s.Finish(api.CloseDetached) // the node closes the connection
			return
		case err != nil:
			_ = s.Send(api.ChannelClose, []byte{api.ChannelStdin}) // no connection: no need to say so
			return
		}
	}
}

func (s *stream) sendSizes(sizes <-chan api.TerminalSize, ended <-chan struct{}) {
	for {
		select {
		case size, ok := <-sizes:
			if !ok {
				return
			}
			body, err := json.Marshal(size)
			if err != nil || s.Send(api.ChannelResize, body) != nil {
				return
			}
		case <-ended:
			return
		}
	}
}

// receive copies output until the status comes.
func (s *stream) receive(streams api.Streams) (int, error) {
	for {
		channel, message, err := s.Receive()
		if err != nil {
			return 0, fmt.Errorf("%s: the node hung up before the end: %w", s.verb, err)
		}
		out := io.Discard
		switch {
		case channel == api.ChannelError:
			return s.exitCode(message)
		case channel == api.ChannelStdout && streams.Stdout != nil:
			out = streams.Stdout
		case channel == api.ChannelStderr && streams.Stderr != nil:
			out = streams.Stderr
		}
		if _, err := io.Copy(out, message); err != nil {
			return 0, fmt.Errorf("%s: pass on the output: %w", s.verb, err)
		}
	}
}

// exitCode reads the Status at the end.
func (s *stream) exitCode(message io.Reader) (int, error) {
	var status metav1.Status
	if err := json.NewDecoder(message).Decode(&status); err != nil {
		return 0, fmt.Errorf("%s: decode the end: %w", s.verb, err)
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
