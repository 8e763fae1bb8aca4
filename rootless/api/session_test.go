package api

import (
	"bytes"
	"io"
	"testing"
)

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
