package client_test

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/peapod/peapod/rootless/api"
)

func TestAttach(t *testing.T) {
	b, c := node(t)
	b.Put(pod("demo", "1"))
	var out strings.Builder
	request := api.AttachRequest{Container: "a", Streams: api.Streams{Stdin: strings.NewReader("typed"), Stdout: &out}}
	if err := c.Attach(t.Context(), "default", "demo", request); err != nil {
		t.Fatal(err)
	}
	if out.String() != "attached to a\ntyped" {
		t.Errorf("%q", out.String())
	}
}

// leaving is a keyboard on which the detach keys are pressed.
type leaving struct{}

func (leaving) Read([]byte) (int, error) { return 0, api.ErrDetached }

func TestDetach(t *testing.T) {
	b, c := node(t)
	b.Put(pod("demo", "1"))
	streams := api.Streams{Stdin: leaving{}, Stdout: io.Discard}
	if err := c.Attach(t.Context(), "default", "demo", api.AttachRequest{Container: "a", Streams: streams}); !errors.Is(err, api.ErrDetached) {
		t.Errorf("attach: %v", err)
	}
	_, err := c.Exec(t.Context(), "default", "demo", api.ExecRequest{Container: "a", Command: []string{"sleep"}, Streams: streams})
	if !errors.Is(err, api.ErrDetached) {
		t.Errorf("exec: %v", err)
	}
}

// A thousand sessions leave no goroutine behind.
func TestSessionsLeaveNothing(t *testing.T) {
	b, c := node(t)
	b.Put(pod("demo", "1"))
	before := 0
	for i := range 1000 {
		if i == 10 {
			before = runtime.NumGoroutine()
		}
		request := api.ExecRequest{Container: "a", Command: []string{"cat"}, Streams: api.Streams{Stdin: strings.NewReader("x"), Stdout: io.Discard}}
		if _, err := c.Exec(t.Context(), "default", "demo", request); err != nil {
			t.Fatal(err)
		}
	}
	for range 500 {
		if runtime.NumGoroutine() <= before+10 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}
