package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"

	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The remote command protocol (kubernetes, staging/src/k8s.io/apimachinery/pkg/util/remotecommand/constants.go): every binary
// message is one byte that names the channel, then data.
//
//	client                                   node
//	  ── GET …/exec?command=sh&stdin=1 ──▶     404, 400, … as a Status, or
//	  ◀── 101, v5.channel.k8s.io ──
//	  ── [0] stdin ──▶                         ◀── [1] stdout, [2] stderr ──
//	  ── [4] {"Width":80,"Height":24} ──▶
//	  ── [255] [0]: stdin ends (v5 only) ──▶
//	                                           ◀── [3] Status: Success, or Failure with the exit code; then close ──

// The channels and the versions of the protocol.
const (
	ChannelStdin  = 0
	ChannelStdout = 1
	ChannelStderr = 2
	ChannelError  = 3
	ChannelResize = 4
	ChannelClose  = 255

	ProtocolV5 = "v5.channel.k8s.io"
	ProtocolV4 = "v4.channel.k8s.io"
)

// ReasonNonZeroExitCode and CauseExitCode mark the Status of a command that ran and did not return 0; the cause's message is the
// code in decimal.
const (
	ReasonNonZeroExitCode metav1.StatusReason = "NonZeroExitCode"
	CauseExitCode         metav1.CauseType    = "ExitCode"
)

// maxControl bounds what is read of a resize or close message.
const maxControl = 1 << 10

// upgrader takes its write buffers from a pool, so that an exec without output holds none.
var upgrader = websocket.Upgrader{
	Subprotocols:    []string{ProtocolV5, ProtocolV4},
	WriteBufferSize: 32<<10 + 16, // a frame's header and 32 KiB
	WriteBufferPool: &sync.Pool{},
}

func (s *server) exec(w http.ResponseWriter, r *http.Request) error {
	options, err := execOptions(r.URL.Query())
	if err != nil {
		return err
	}
	namespace, name := r.PathValue("namespace"), r.PathValue("name")
	pod, err := getPod(s.backend, namespace, name)
	if err != nil {
		return err
	}
	if phase := pod.Status.Phase; phase == corev1.PodSucceeded || phase == corev1.PodFailed {
		return apierrors.NewBadRequest(fmt.Sprintf("cannot exec into a container in a completed pod; current phase is %s", phase))
	}
	if options.Container, err = containerOf(pod, options.Container); err != nil {
		return err
	}
	if !websocket.IsWebSocketUpgrade(r) {
		return apierrors.NewBadRequest("exec needs a WebSocket: Upgrade request required")
	}
	conn, err := upgrader.Upgrade(w, r, nil) // on error it has answered itself
	if err != nil {
		s.log.Info("exec", "pod", namespace+"/"+name, "err", err)
		return nil
	}
	session := newExecSession(conn)
	defer session.close()
	session.run(r.Context(), s.backend, namespace, name, options)
	return nil
}

// execSession is one connection. The reader goroutine ends when the connection does.
type execSession struct {
	conn        *websocket.Conn
	stdinReader *io.PipeReader
	stdin       *io.PipeWriter
	resize      chan TerminalSize
	done        chan struct{} // the reader has ended

	mu sync.Mutex // over writes to conn
}

func newExecSession(conn *websocket.Conn) *execSession {
	e := &execSession{conn: conn, resize: make(chan TerminalSize, 1), done: make(chan struct{})}
	e.stdinReader, e.stdin = io.Pipe()
	return e
}

func (e *execSession) run(ctx context.Context, backend Backend, namespace, name string, options *corev1.PodExecOptions) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		e.read()
	}()
	request := ExecRequest{Container: options.Container, Command: options.Command, TTY: options.TTY}
	if options.Stdin {
		request.Stdin = e.stdinReader
	} else {
		e.stdinReader.Close() // what comes nevertheless is thrown away
	}
	if options.Stdout {
		request.Stdout = &channelWriter{e, ChannelStdout}
	}
	if options.Stderr && !options.TTY {
		request.Stderr = &channelWriter{e, ChannelStderr}
	}
	if options.TTY {
		request.Resize = e.resize
	}
	code, err := backend.Exec(ctx, namespace, name, request)
	e.finish(execStatus(code, err))
}

// execStatus is what the client learns of the command's end.
func execStatus(code int, err error) metav1.Status {
	switch {
	case err != nil:
		status := statusOf(err)
		status.TypeMeta = metav1.TypeMeta{}
		return status
	case code == 0:
		return metav1.Status{Status: metav1.StatusSuccess}
	}
	return metav1.Status{
		Status:  metav1.StatusFailure,
		Reason:  ReasonNonZeroExitCode,
		Message: fmt.Sprintf("command terminated with non-zero exit code: %d", code),
		Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: CauseExitCode, Message: strconv.Itoa(code)}}},
	}
}

// finish sends the status and the closing handshake's first half; the client may be gone.
func (e *execSession) finish(status metav1.Status) {
	body, err := json.Marshal(status)
	if err == nil {
		_ = e.send(ChannelError, body)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	_ = e.conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
}

// close ends the connection and waits for the reader, which may hang in a write to a command that does not read.
func (e *execSession) close() {
	e.stdinReader.Close()
	e.conn.Close()
	<-e.done
}

func (e *execSession) send(channel byte, data []byte) error {
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

// channelWriter sends each write as one message.
type channelWriter struct {
	session *execSession
	channel byte
}

func (c *channelWriter) Write(p []byte) (int, error) {
	if err := c.session.send(c.channel, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// read serves the client's messages until the connection ends, which ends stdin and sizes too.
func (e *execSession) read() {
	defer close(e.done)
	defer close(e.resize)
	defer e.stdin.Close()
	var buffer []byte // for stdin, made when the first comes
	for {
		_, message, err := e.conn.NextReader()
		if err != nil {
			return
		}
		var channel [1]byte
		if _, err := io.ReadFull(message, channel[:]); err != nil {
			continue // an empty message says nothing
		}
		switch channel[0] {
		case ChannelStdin:
			if buffer == nil {
				buffer = make([]byte, 16<<10)
			}
			// An error is either the command's, which does not read any more, or the connection's, which the next read returns.
			_, _ = io.CopyBuffer(writerOnly{e.stdin}, message, buffer)
		case ChannelResize:
			e.resized(message)
		case ChannelClose:
			if _, err := io.ReadFull(message, channel[:]); err == nil && channel[0] == ChannelStdin {
				e.stdin.Close()
			}
		}
	}
}

// writerOnly hides other methods from io.CopyBuffer, which would otherwise not use the buffer.
type writerOnly struct{ io.Writer }

// resized hands on the newest size: one that nobody has taken yet is replaced.
func (e *execSession) resized(message io.Reader) {
	var size TerminalSize
	if json.NewDecoder(io.LimitReader(message, maxControl)).Decode(&size) != nil || size.Width == 0 || size.Height == 0 {
		return
	}
	select {
	case <-e.resize:
	default:
	}
	e.resize <- size
}
