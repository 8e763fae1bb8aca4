package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ReasonNonZeroExitCode and CauseExitCode mark the Status of a command that ran and did not return 0; the cause's message is the
// code in decimal.
const (
	ReasonNonZeroExitCode metav1.StatusReason = "NonZeroExitCode"
	CauseExitCode         metav1.CauseType    = "ExitCode"
)

// upgrader takes its write buffers from a pool, so that a session without output holds none.
var upgrader = websocket.Upgrader{
	Subprotocols:    []string{ProtocolV5, ProtocolV4},
	WriteBufferSize: FrameBuffer,
	WriteBufferPool: &sync.Pool{},
}

// wanted is which streams a client asks for.
type wanted struct{ stdin, stdout, stderr, tty bool }

// podFor finds the Pod of an exec or attach, which must not have ended, and the container that is meant.
func (s *server) podFor(r *http.Request, act, container string) (pod *corev1.Pod, name string, err error) {
	if pod, err = getPod(s.backend, r.PathValue("namespace"), r.PathValue("name")); err != nil {
		return nil, "", err
	}
	if phase := pod.Status.Phase; phase == corev1.PodSucceeded || phase == corev1.PodFailed {
		return nil, "", apierrors.NewBadRequest(fmt.Sprintf("cannot %s a container in a completed pod; current phase is %s", act, phase))
	}
	if name, err = containerOf(pod, container); err != nil {
		return nil, "", err
	}
	if !websocket.IsWebSocketUpgrade(r) {
		return nil, "", apierrors.NewBadRequest("a WebSocket is needed: Upgrade request required")
	}
	return pod, name, nil
}

// stream upgrades a connection and runs a session on it. do says how it went.
func (s *server) stream(w http.ResponseWriter, r *http.Request, want wanted, do func(context.Context, Streams) metav1.Status) {
	conn, err := upgrader.Upgrade(w, r, nil) // on error it has answered itself
	if err != nil {
		s.log.Info("upgrade", "path", r.URL.Path, "err", err)
		return
	}
	session := newSession(NewChannels(conn))
	defer session.close()
	session.run(r.Context(), want, do)
}

// session is one connection. The reader goroutine ends when the connection does.
type session struct {
	channels    *Channels
	stdinReader *io.PipeReader
	stdin       *io.PipeWriter
	buffer      []byte // for stdin, made when the first comes
	resize      chan TerminalSize
	done        chan struct{} // the reader has ended
	interval    time.Duration // between looks whether the client is there
}

func newSession(channels *Channels) *session {
	s := &session{channels: channels, resize: make(chan TerminalSize, 1), done: make(chan struct{}), interval: 10 * time.Second}
	s.stdinReader, s.stdin = io.Pipe()
	return s
}

func (s *session) run(ctx context.Context, want wanted, do func(context.Context, Streams) metav1.Status) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { cancel(s.read()) }()
	streams := Streams{TTY: want.tty}
	if want.stdin {
		streams.Stdin = s.stdinReader
		go s.noticeHangUp(ctx)
	} else {
		s.stdinReader.Close() // what comes nevertheless is thrown away
	}
	if want.stdout {
		streams.Stdout = s.channels.Writer(ChannelStdout)
	}
	if want.stderr && !want.tty {
		streams.Stderr = s.channels.Writer(ChannelStderr)
	}
	if want.tty {
		streams.Resize = s.resize
	}
	s.finish(do(ctx, streams))
}

// endStatus is what the client learns of the end of a command, or of a container.
func endStatus(code int, err error) metav1.Status {
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
func (s *session) finish(status metav1.Status) {
	select {
	case <-s.done:
		return
	default:
	}
	body, err := json.Marshal(status)
	if err == nil {
		_ = s.channels.Send(ChannelError, body)
	}
	_ = s.channels.Finish(websocket.CloseNormalClosure)
}

// close ends the connection and waits for the reader, which may hang in a write to a command that does not read.
func (s *session) close() {
	s.stdinReader.Close()
	s.channels.Close()
	<-s.done
}

// noticeHangUp looks whether the client is there, which read does not see while a command leaves its input alone: a message to one that
// is gone fails. The rest of the input is then thrown away, so that read comes to the connection's end and to the reason.
func (s *session) noticeHangUp(ctx context.Context) {
	ticker := time.NewTicker(s.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if s.channels.Nudge() != nil {
			s.stdinReader.Close()
			return
		}
	}
}

// read serves the client's messages until the connection ends, which ends stdin and sizes too. It returns why it did.
func (s *session) read() error {
	defer close(s.done)
	defer close(s.resize)
	defer s.stdin.Close()
	for {
		channel, message, err := s.channels.Receive()
		switch {
		case websocket.IsCloseError(err, CloseDetached):
			return ErrDetached
		case err != nil:
			return err
		}
		s.handle(channel, message)
	}
}

// handle serves one message. One that makes no sense is passed over.
func (s *session) handle(channel byte, message io.Reader) {
	switch channel {
	case ChannelStdin:
		if s.buffer == nil {
			s.buffer = make([]byte, 16<<10)
		}
		// An error is either the command's, which does not read any more, or the connection's, which the next read returns.
		_, _ = io.CopyBuffer(writerOnly{s.stdin}, message, s.buffer)
	case ChannelResize:
		if size, ok := decodeSize(message); ok {
			s.resized(size)
		}
	case ChannelClose:
		var closed [1]byte
		if _, err := io.ReadFull(message, closed[:]); err == nil && closed[0] == ChannelStdin {
			s.stdin.Close()
		}
	}
}

// writerOnly hides other methods from io.CopyBuffer, which would otherwise not use the buffer.
type writerOnly struct{ io.Writer }

// resized hands on the newest size: one that nobody has taken yet is replaced.
func (s *session) resized(size TerminalSize) {
	select {
	case <-s.resize:
	default:
	}
	s.resize <- size
}
