package api

import (
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/gorilla/websocket"
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
//
// …/attach speaks it too; its Status comes when the container has ended. Beyond the protocol, a client that closes the connection with
// the code CloseDetached leaves a command that it has begun running.

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

// CloseDetached is a code of a close message (RFC 6455, 7.4.2: for private use).
const CloseDetached = 4000

// ErrDetached ends a session whose client has had enough and wants what it began to go on.
var ErrDetached = errors.New("detached")

// FrameBuffer is the size of a write buffer that takes a frame's header and 32 KiB.
const FrameBuffer = 32<<10 + 16

// Channels is one end of a connection. Send may be called by several goroutines, Receive by one.
type Channels struct {
	conn *websocket.Conn
	mu   sync.Mutex // over writes
}

// NewChannels takes over a connection.
func NewChannels(conn *websocket.Conn) *Channels { return &Channels{conn: conn} }

// Send sends one message.
func (c *Channels) Send(channel byte, data []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	w, err := c.conn.NextWriter(websocket.BinaryMessage)
	if err != nil {
		return err
	}
	if _, err = w.Write([]byte{channel}); err == nil {
		_, err = w.Write(data)
	}
	return errors.Join(err, w.Close())
}

// Receive waits for a message. Its data must be read before the next one is received.
func (c *Channels) Receive() (channel byte, data io.Reader, err error) {
	for {
		_, message, err := c.conn.NextReader()
		if err != nil {
			return 0, nil, err
		}
		var first [1]byte
		if _, err := io.ReadFull(message, first[:]); err == nil { // an empty message says nothing
			return first[0], message, nil
		}
	}
}

// Nudge sends a message that wants no answer (RFC 6455, 5.5.3). It waits for as long as the other end does not read.
func (c *Channels) Nudge() error {
	return c.conn.WriteControl(websocket.PongMessage, nil, time.Time{})
}

// Finish begins the closing handshake.
func (c *Channels) Finish(code int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""))
}

// Close closes the connection.
func (c *Channels) Close() error { return c.conn.Close() }

// Writer sends each write as one message.
func (c *Channels) Writer(channel byte) io.Writer { return &channelWriter{c, channel} }

type channelWriter struct {
	channels *Channels
	channel  byte
}

func (w *channelWriter) Write(p []byte) (int, error) {
	if err := w.channels.Send(w.channel, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// maxControl bounds what is read of a resize or close message.
const maxControl = 1 << 10

// decodeSize reads a message of ChannelResize. A terminal without width or height is none.
func decodeSize(message io.Reader) (size TerminalSize, ok bool) {
	err := json.NewDecoder(io.LimitReader(message, maxControl)).Decode(&size)
	return size, err == nil && size.Width > 0 && size.Height > 0
}
