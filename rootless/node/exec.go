package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/peapod/peapod/rootless/api"
	"github.com/peapod/peapod/rootless/container"
	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/state"
)

// Exec is in api.Backend.
func (n *Node) Exec(ctx context.Context, namespace, name string, request api.ExecRequest) (int, error) {
	i, _, err := n.runningInstance(namespace, name, "exec into", &request.Container)
	if err != nil {
		return 0, err
	}
	user, err := n.runtime.User(i.Container)
	if err != nil {
		return 0, err
	}
	var s *session
	if request.TTY {
		s, err = terminalSession(n.runtime, i.Container, user, request)
	} else {
		s, err = pipeSession(request)
	}
	if err != nil {
		return 0, err
	}
	defer s.close()
	defer n.freeSoon()
	group, err := openGroup(i.Owner)
	if err != nil {
		return 0, notRunning(request.Container)
	}
	if group != nil {
		defer group.Close()
	}
	pid, err := n.runtime.Exec(i.Container, container.Command{Args: request.Command, Stdio: s.stdio, Terminal: request.TTY, Cgroup: group})
	s.started()
	if errors.Is(err, container.ErrNotRunning) {
		return 0, notRunning(request.Container)
	}
	if err != nil {
		return 0, apierrors.NewInternalError(fmt.Errorf("command terminated with exit code 126: %w", err))
	}
	return n.waitFor(ctx, pid, s)
}

// waitFor waits for a command and for its output. A caller that goes away takes the command with it, as with the kubelet's runtimes; one
// that detaches leaves it running.
func (n *Node) waitFor(ctx context.Context, pid int, s *session) (int, error) {
	process, err := state.NewProcess(pid)
	if err != nil {
		return 0, err
	}
	pidfd, err := process.Open()
	if err != nil {
		return 0, err
	}
	stop := context.AfterFunc(ctx, func() {
		if !errors.Is(context.Cause(ctx), api.ErrDetached) {
			_ = (&container.Container{Process: process}).Signal(syscall.SIGKILL)
		}
	})
	exit := container.Wait(process, pidfd)
	stop()
	s.drain()
	return exit.Code, nil
}

func notRunning(name string) error {
	return apierrors.NewBadRequest(fmt.Sprintf("container %q is not running", name))
}

// runningInstance finds the running instance of a container, and what the Pod says of it; an empty name is set to the default's.
func (n *Node) runningInstance(namespace, name, act string, containerName *string) (*instance, *corev1.Container, error) {
	object, err := n.registry.pod(namespace, name)
	if err != nil {
		return nil, nil, err
	}
	status, err := statusOf(object, containerName)
	if err != nil {
		return nil, nil, err
	}
	if object.Status.Phase == corev1.PodSucceeded || object.Status.Phase == corev1.PodFailed {
		return nil, nil, apierrors.NewBadRequest(fmt.Sprintf("cannot %s a container in a completed pod; current phase is %s", act, object.Status.Phase))
	}
	if p := n.find(object); p != nil && status != nil {
		if i := p.crew.get(trimScheme(status.ContainerID)); i != nil && i.running() {
			return i, kube.FindContainer(object, *containerName), nil
		}
	}
	return nil, nil, notRunning(*containerName)
}

// session is the streams of a command and the goroutines that copy them.
type session struct {
	stdio  [3]*os.File // the command's ends
	own    []*os.File  // the node's ends
	output sync.WaitGroup
	master *os.File // of a terminal
}

// started closes the command's ends, which it has now, or never will.
func (s *session) started() {
	for _, f := range s.stdio {
		if f != nil {
			f.Close()
		}
	}
	s.stdio = [3]*os.File{}
}

func (s *session) close() {
	s.started()
	for _, f := range s.own {
		f.Close()
	}
}

// outputTime is how long output may still come when the command has ended: something it left in the background may hold
// its streams.
const outputTime = 2 * time.Second

// drain waits until all output has been copied.
func (s *session) drain() {
	done := make(chan struct{})
	go func() { s.output.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(outputTime):
		for _, f := range s.own {
			f.Close()
		}
		<-done
	}
}

func (s *session) copyOut(w io.Writer, from *os.File) {
	s.output.Go(func() {
		// Without a caller, who may have detached, the command must not wait for one.
		if _, err := io.Copy(w, from); err != nil {
			_, _ = io.Copy(io.Discard, from)
		}
	})
}

// pipeSession connects a command by pipes.
func pipeSession(request api.ExecRequest) (s *session, err error) {
	s = &session{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if request.Stdin != nil {
		reader, writer, err := os.Pipe()
		if err != nil {
			return s, err
		}
		s.stdio[0], s.own = reader, append(s.own, writer)
		go func() {
			_, _ = io.Copy(writer, request.Stdin)
			writer.Close()
		}()
	}
	for i, w := range []io.Writer{1: request.Stdout, 2: request.Stderr} {
		if w == nil {
			continue
		}
		reader, writer, err := os.Pipe()
		if err != nil {
			return s, err
		}
		s.stdio[i], s.own = writer, append(s.own, reader)
		s.copyOut(w, reader)
	}
	return s, nil
}

// terminalSession connects a command by a terminal of the container's own.
func terminalSession(r *container.Runtime, c *container.Container, uid uint32, request api.ExecRequest) (*session, error) {
	master, slave, err := r.Terminal(c, uid)
	if err != nil {
		return nil, err
	}
	s := &session{stdio: [3]*os.File{slave, slave, slave}, own: []*os.File{master}, master: master}
	if request.Stdin != nil {
		go func() { _, _ = io.Copy(master, request.Stdin) }()
	}
	if request.Stdout != nil {
		s.copyOut(request.Stdout, master)
	}
	go s.resize(request.Resize)
	return s, nil
}

// resize passes sizes on to the terminal until no more come.
func (s *session) resize(sizes <-chan api.TerminalSize) {
	for size := range sizes {
		_ = container.SetSize(s.master, size.Width, size.Height) // it may have ended
	}
}
