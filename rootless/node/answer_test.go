package node

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestAnswerBeforeEnd: a request that is under way when the node is to end is answered.
func TestAnswerBeforeEnd(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		select {
		case <-ended: // it did not wait for us, which the process would not either
			panic(http.ErrAbortHandler)
		case <-time.After(answerTime / 4):
		}
	})}
	go func() {
		defer close(ended)
		if err := answer(ctx, server, listener); err != nil {
			t.Error(err)
		}
	}()
	response, err := http.Get("http://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	<-ended
	if response.StatusCode != http.StatusOK {
		t.Errorf("answered %s", response.Status)
	}
}
