package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/api"
	"github.com/peapod/peapod/rootless/container"
	"github.com/peapod/peapod/rootless/logs"
)

// Attach is in api.Backend.
func (n *Node) Attach(ctx context.Context, namespace, name string, request api.AttachRequest) error {
	i, c, err := n.runningInstance(namespace, name, "attach to", &request.Container)
	if err != nil {
		return err
	}
	defer n.freeSoon()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	listener := i.tap.Listen()
	defer listener.Close()
	if request.Stdin != nil {
		if err := i.feed(ctx, c, request.Stdin); err != nil {
			return err
		}
	}
	if i.streams.Terminal != nil && request.Resize != nil {
		go func() {
			for size := range request.Resize {
				_ = container.SetSize(i.streams.Terminal, size.Width, size.Height) // it may have ended
			}
		}()
	}
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		show(ctx, listener, request.Streams)
	}()
	select {
	case <-shown:
	case <-ctx.Done():
	case <-i.done:
		// A client that does not read keeps nothing of the container.
		select {
		case <-shown:
		case <-ctx.Done():
		case <-time.After(attachTime):
		}
	}
	return nil
}

// attachTime is how long a client may take to read the last output of a container.
const attachTime = 10 * time.Second

// show passes on output until there is no more or the client is gone.
func show(ctx context.Context, l *logs.Listener, to api.Streams) {
	for {
		heard := l.Next(ctx)
		if len(heard) == 0 {
			return
		}
		for _, h := range heard {
			if !pass(h, to) {
				return
			}
		}
	}
}

// pass passes on what was heard at one go. The client is told of a gap where it is.
func pass(h logs.Heard, to api.Streams) bool {
	notices := to.Stderr
	if to.TTY || notices == nil {
		notices = to.Stdout
	}
	if h.Lost > 0 && notices != nil {
		if _, err := fmt.Fprintf(notices, "\r\n[peapod: %d bytes came faster than they were read; they are in the log]\r\n", h.Lost); err != nil {
			return false
		}
	}
	w := to.Stdout
	if h.Stream == logs.Stderr {
		w = to.Stderr
	}
	if w == nil || len(h.Bytes) == 0 {
		return true
	}
	_, err := w.Write(h.Bytes)
	return err == nil
}

// feed passes on a client's input until it ends or the context does. That of a container without stdin is thrown away, as the
// kubelet's runtimes do.
func (i *instance) feed(ctx context.Context, c *corev1.Container, from io.Reader) error {
	if !c.Stdin {
		go func() { _, _ = io.Copy(io.Discard, from) }()
		return nil
	}
	to, err := i.input()
	if err != nil {
		return err
	}
	// A container that does not read must not hold a client that is gone.
	stop := context.AfterFunc(ctx, func() { to.Close() })
	go func() {
		defer stop()
		_, _ = io.Copy(to, from)
		to.Close()
		if c.StdinOnce && !c.TTY { // a terminal has no end of file
			i.endInput()
		}
	}()
	return nil
}

// input opens a way to the container's input that is the caller's to close.
func (i *instance) input() (*os.File, error) {
	f := i.streams.Stdin
	if i.streams.Terminal != nil {
		f = i.streams.Terminal
	}
	if f == nil {
		return os.OpenFile(os.DevNull, os.O_WRONLY, 0) // it has been closed
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	duplicate, dupErr := -1, error(nil)
	err = conn.Control(func(fd uintptr) { duplicate, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if errors.Is(err, os.ErrClosed) {
		return os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	}
	if err := errors.Join(err, dupErr); err != nil {
		return nil, fmt.Errorf("open the container's input: %w", err)
	}
	return os.NewFile(uintptr(duplicate), "input"), nil
}
