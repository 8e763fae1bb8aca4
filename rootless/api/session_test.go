package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestHangUpBehindInput: that a client is gone, or detached, is seen even if its input waits for a command that does not read.
func TestHangUpBehindInput(t *testing.T) {
	for name, c := range map[string]struct {
		code     int
		detached bool
	}{"gone": {websocket.CloseGoingAway, false}, "detached": {CloseDetached, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan error, 1)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, err := upgrader.Upgrade(w, r, nil)
				if err != nil {
					return
				}
				s := newSession(NewChannels(conn))
				s.interval = 10 * time.Millisecond
				defer s.close()
				s.run(context.Background(), wanted{stdin: true, stdout: true}, func(ctx context.Context, _ Streams) metav1.Status {
					select {
					case <-ctx.Done():
					case <-time.After(10 * time.Second):
					}
					ended <- context.Cause(ctx)
					return metav1.Status{}
				})
			}))
			t.Cleanup(server.Close)
			conn, response, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			read := make(chan struct{}) // what comes is read, as clients do
			go func() {
				_, _, _ = conn.ReadMessage()
				close(read)
			}()
			if err := conn.WriteMessage(websocket.BinaryMessage, make([]byte, 32<<10)); err != nil {
				t.Fatal(err)
			}
			select {
			case <-read:
				t.Fatal("the session ended while both waited")
			case <-time.After(200 * time.Millisecond):
			}
			if err := conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(c.code, "")); err != nil {
				t.Fatal(err)
			}
			conn.Close()
			if err := <-ended; err == nil || errors.Is(err, ErrDetached) != c.detached {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

// FuzzSession: whatever a client sends, the session does not fail, and only input reaches the command.
func FuzzSession(f *testing.F) {
	f.Add([]byte("\x00input"))
	f.Add([]byte("\x04{\"Width\":80,\"Height\":24}"))
	f.Add([]byte("\x04{\"Width\":-1}"))
	f.Add([]byte("\xff\x00"))
	f.Add([]byte("\xff"))
	f.Add([]byte("\x03{}"))
	f.Fuzz(func(t *testing.T, message []byte) {
		if len(message) == 0 {
			t.Skip("says nothing")
		}
		s := newSession(nil)
		got := make(chan []byte)
		go func() {
			input, _ := io.ReadAll(s.stdinReader)
			got <- input
		}()
		s.handle(message[0], bytes.NewReader(message[1:]))
		s.stdin.Close()
		var want []byte
		if message[0] == ChannelStdin {
			want = message[1:]
		}
		if input := <-got; !bytes.Equal(input, want) {
			t.Errorf("input %q, want %q", input, want)
		}
		select {
		case size := <-s.resize:
			if message[0] != ChannelResize || size.Width == 0 || size.Height == 0 {
				t.Errorf("a size of %v", size)
			}
		default:
		}
	})
}
