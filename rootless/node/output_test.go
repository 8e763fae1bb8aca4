package node

import (
	"bytes"
	"io"
	"os"
	"testing"
)

// TestOutputIsBounded reads as exec does, from a pipe, where io.Copy looks for quicker ways than Write.
func TestOutputIsBounded(t *testing.T) {
	const much = 3 * maxOutput
	var first limited
	last := lastBytes{limit: maxMessageLog}
	for _, to := range []io.Writer{&first, &last} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_, _ = w.Write(append(bytes.Repeat([]byte("x"), much-1), '.'))
			w.Close()
		}()
		if n, err := io.Copy(to, r); n != much || err != nil {
			t.Errorf("%T took %d bytes: %v", to, n, err)
		}
		r.Close()
	}
	if n := first.kept.Len(); n != maxOutput {
		t.Errorf("%d bytes are kept, want the first %d", n, maxOutput)
	}
	if n := last.kept.Len(); n != maxMessageLog || !bytes.HasSuffix(last.kept.Bytes(), []byte("x.")) {
		t.Errorf("%d bytes are kept, want the last %d", n, maxMessageLog)
	}
}
