package gvisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Every engine on a hub sees every packet, so only one may answer. They agree by a socket with a name of the hub's network namespace: the
// next engine connects to it, the present one then takes no more flows, gives up the name, and says so. It goes on with its connections; as long
// as it does, the next one must not take segments of those for strays, which it would have to reset.
type handover struct {
	listener *net.UnixListener
	previous net.Conn    // nil if there was no engine; ends with it
	retired  atomic.Bool // another engine has taken over
	alone    atomic.Bool // no other engine has connections
	next     atomic.Pointer[net.Conn]
}

// nameOfTurn is an abstract one: unix(7). Pods are in other network namespaces and do not see it.
const nameOfTurn = "@peapod-gvisor-engine"

// patience is more than an engine needs to answer that is not stopped or dead.
const patience = 5 * time.Second

// takeOver makes this engine the one that answers.
func (h *handover) takeOver(inHub func(func() error) error) error {
	err := inHub(func() (err error) {
		h.previous, err = net.Dial("unix", nameOfTurn)
		return err
	})
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		h.alone.Store(true)
	case err != nil:
		return fmt.Errorf("ask for another engine: %w", err)
	default:
		_ = h.previous.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.ReadFull(h.previous, make([]byte, 1)); err != nil && !errors.Is(err, io.EOF) {
			return errors.Join(fmt.Errorf("wait for another engine of the hub to step aside: %w", err), h.previous.Close())
		}
		_ = h.previous.SetReadDeadline(time.Time{})
	}
	return inHub(func() error {
		l, err := new(net.ListenConfig).Listen(context.Background(), "unix", nameOfTurn)
		if err != nil {
			return fmt.Errorf("take over from other engines: %w", err)
		}
		h.listener = l.(*net.UnixListener)
		return nil
	})
}

// watchPrevious waits for the end of the engine before.
func (h *handover) watchPrevious() {
	if h.previous != nil {
		_, _ = io.Copy(io.Discard, h.previous)
		h.alone.Store(true)
	}
}

// awaitNext waits for the engine after, calls retire and gives way.
func (h *handover) awaitNext(retire func()) {
	next, err := h.listener.Accept()
	if err != nil {
		return
	}
	h.retired.Store(true)
	h.next.Store(&next)
	retire()
	_ = h.listener.Close()
	_, _ = next.Write([]byte{1})
}

// close tells the engine after that this one has ended.
func (h *handover) close() {
	if h.listener != nil {
		_ = h.listener.Close() // was closed before if there is a next one
	}
	if h.previous != nil {
		_ = h.previous.Close()
	}
	if next := h.next.Load(); next != nil {
		_ = (*next).Close()
	}
}
