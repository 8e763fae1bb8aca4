package apitest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/api"
)

// Logs is api.Backend's. It knows tailLines, timestamps (all of them one moment) and previous (its own text); with follow the
// stream stays open until the context ends.
func (b *Backend) Logs(ctx context.Context, _, name string, options *corev1.PodLogOptions) (io.ReadCloser, error) {
	b.mu.Lock()
	text, ok := b.LogText[options.Container]
	b.mu.Unlock()
	if !ok {
		return nil, errors.New("no log of " + name + "/" + options.Container)
	}
	if options.Previous {
		text = "previous\n"
	}
	lines := strings.SplitAfter(text, "\n")
	lines = lines[:len(lines)-1]
	if options.TailLines != nil {
		lines = lines[max(0, len(lines)-int(*options.TailLines)):]
	}
	var out bytes.Buffer
	for _, line := range lines {
		if options.Timestamps {
			out.WriteString("2026-01-02T03:04:05Z ")
		}
		out.WriteString(line)
	}
	if !options.Follow {
		return io.NopCloser(&out), nil
	}
	reader, writer := io.Pipe()
	go func() {
		_, _ = out.WriteTo(writer)
		<-ctx.Done()
		writer.Close()
	}()
	return reader, nil
}

// Exec is api.Backend's. The commands are
//
//	true, false, exit N
//	echo WORD…        to stdout
//	complain WORD…    to stderr
//	cat               stdin to stdout, until it ends
//	yes N             N bytes to stdout
//	size              the next terminal size to stdout
//	where             the container's name to stdout
//	sleep             until the client is gone
//
// and every other is not there.
func (b *Backend) Exec(ctx context.Context, _, _ string, r api.ExecRequest) (int, error) {
	words := strings.Join(r.Command[1:], " ")
	var err error
	switch r.Command[0] {
	case "true":
	case "false":
		return 1, nil
	case "exit":
		return strconv.Atoi(words)
	case "echo":
		_, err = fmt.Fprintln(r.Stdout, words)
	case "complain":
		_, err = fmt.Fprintln(r.Stderr, words)
	case "cat":
		_, err = io.Copy(r.Stdout, r.Stdin)
	case "yes":
		n, _ := strconv.Atoi(words)
		_, err = r.Stdout.Write(bytes.Repeat([]byte("y"), n))
	case "size":
		size := <-r.Resize
		_, err = fmt.Fprintf(r.Stdout, "%dx%d\n", size.Width, size.Height)
	case "where":
		_, err = fmt.Fprintln(r.Stdout, r.Container)
	case "sleep":
		<-ctx.Done()
		return 137, nil
	default:
		return 0, fmt.Errorf("exec %q: executable file not found in $PATH", r.Command[0])
	}
	return 0, err
}

// Attach is api.Backend's. The container is a `cat` that begins with a greeting: stdin comes back on stdout until it ends. Without
// stdin it ends at once.
func (b *Backend) Attach(ctx context.Context, _, _ string, r api.AttachRequest) error {
	if _, err := fmt.Fprintln(r.Stdout, "attached to "+r.Container); err != nil {
		return err
	}
	if r.Resize != nil {
		select {
		case size := <-r.Resize:
			_, _ = fmt.Fprintf(r.Stdout, "%dx%d\n", size.Width, size.Height)
		case <-ctx.Done():
		}
	}
	if r.Stdin == nil {
		return nil
	}
	_, err := io.Copy(r.Stdout, r.Stdin)
	return err
}

// DialPort is api.Backend's. Port 7 sends back what it gets; nobody listens on others.
func (b *Backend) DialPort(_ context.Context, _, _ string, port uint16) (net.Conn, error) {
	if port != 7 {
		return nil, fmt.Errorf("dial tcp 127.0.0.1:%d: connect: connection refused", port)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		c, err := l.Accept()
		l.Close() // not sooner: it resets connections that wait to be accepted
		if err != nil {
			return
		}
		_, _ = io.Copy(c, c)
		c.Close()
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		l.Close()
	}
	return conn, err
}
