package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/api"
	"github.com/peapod/peapod/rootless/container"
	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/lifecycle"
	"github.com/peapod/peapod/rootless/probe"
)

// errEnded is what a hook comes to whose container ends before it.
var errEnded = errors.New("container terminated before sleep hook finished")

// hookMargin is how much longer than its limit a hook may take: lifecycle cuts it off at the limit, and asks nobody.
const hookMargin = 2 * time.Second

// listenTime is what a container gets to begin to listen before its postStart hook has failed. The hook begins within a millisecond of the container's
// first instruction, which a kubelet takes longer for.
const listenTime = 2 * time.Second

// runHook answers lifecycle.RunHook. If the node ends, it does not: the next one decides anew.
func (p *pod) runHook(object *corev1.Pod, ips []string, a lifecycle.RunHook) lifecycle.Event {
	i := p.crew.get(a.ID)
	if i == nil {
		return lifecycle.HookDone{Container: a.Container, Attempt: a.Attempt, Kind: a.Kind, Err: errEnded.Error()}
	}
	ctx, cancel := context.WithCancel(p.node.ctx)
	defer cancel()
	if a.Kind == lifecycle.PreStop {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(a.Limit)*time.Second+hookMargin)
		defer cancel()
	}
	go func() {
		select {
		case <-i.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := p.hook(ctx, object, ips, a)
	if p.node.ctx.Err() != nil {
		return nil
	}
	done := lifecycle.HookDone{Container: a.Container, Attempt: a.Attempt, Kind: a.Kind}
	if err != nil {
		done.Err = err.Error()
		p.log.Info("a hook failed", "container", a.Container, "hook", a.Kind, "error", err)
	}
	return done
}

// hook does what a hook of the manifest says. Its errors are what the status of the container shows, in the kubelet's words.
func (p *pod) hook(ctx context.Context, object *corev1.Pod, ips []string, a lifecycle.RunHook) error {
	c := kube.FindContainer(object, a.Container)
	failed := func(kind string, what any, err error) error {
		return fmt.Errorf("%s lifecycle hook (%v) for Container %q in Pod %q failed - error: %w", kind, what, c.Name, fmt.Sprintf("%s_%s(%s)", object.Name, object.Namespace, object.UID), err)
	}
	switch h := a.Kind.Handler(c); {
	case h.Exec != nil:
		output, err := p.runCommand(ctx, a.ID, h.Exec.Command)
		if err != nil {
			return fmt.Errorf("%w, message: %q", failed("Exec", h.Exec.Command, err), output)
		}
	case h.HTTPGet != nil:
		if len(ips) == 0 {
			return failed("HTTP", h.HTTPGet.Path, errors.New("the Pod has no address"))
		}
		patience := time.Duration(0)
		if a.Kind == lifecycle.PostStart {
			patience = listenTime
		}
		fellBack, err := p.node.prober.Hook(ctx, h.HTTPGet, probe.Target{Container: c, IP: ips[0]}, patience)
		if err != nil {
			return failed("HTTP", h.HTTPGet.Path, err)
		}
		if fellBack {
			p.node.events.record(object, lifecycle.Emit{Type: corev1.EventTypeWarning, Reason: "LifecycleHTTPFallback",
				Message: fmt.Sprintf("request to HTTPS lifecycle hook of container %s got HTTP response, retry with HTTP succeeded", c.Name)})
		}
	case h.Sleep != nil:
		select {
		case <-time.After(time.Duration(h.Sleep.Seconds) * time.Second):
		case <-ctx.Done():
			return failed("Sleep", h.Sleep.Seconds, errEnded)
		}
	default:
		return errors.New("Cannot run handler: invalid handler") //nolint:staticcheck // the kubelet's words
	}
	return nil
}

// exitError is a command that ended with another code than 0.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("command exited with %d", int(e)) }

// maxOutput is how much is kept of what a command says.
const maxOutput = 10 << 10

// runCommand runs a command in a container and returns what it says on both streams.
func (p *pod) runCommand(ctx context.Context, id string, args []string) (output string, err error) {
	i := p.crew.get(id)
	if i == nil || !i.running() {
		return "", container.ErrNotRunning
	}
	var said limited
	s, err := pipeSession(api.ExecRequest{Streams: api.Streams{Stdout: &said}})
	if err != nil {
		return "", err
	}
	defer s.close()
	s.stdio[2] = s.stdio[1] // one pipe, so that what is said keeps its order
	group, err := openGroup(i.Owner)
	if err != nil {
		return "", container.ErrNotRunning
	}
	if group != nil {
		defer group.Close()
	}
	pid, err := p.node.runtime.Exec(i.Container, container.Command{Args: args, Stdio: s.stdio, Cgroup: group})
	s.stdio[2] = nil
	s.started()
	if err != nil {
		return "", err
	}
	code, err := p.node.waitFor(ctx, pid, s)
	if err == nil && code != 0 {
		err = exitError(code)
	}
	return said.kept.String(), err
}

// limited keeps the first bytes of what is written. The buffer is no part of it: io.Copy would fill that by its ReadFrom, without a limit.
type limited struct{ kept bytes.Buffer }

func (l *limited) Write(b []byte) (int, error) {
	l.kept.Write(b[:min(len(b), max(0, maxOutput-l.kept.Len()))])
	return len(b), nil
}

// checkExec is a probe by a command: it is good if the command ends well in time.
func (p *pod) checkExec(ctx context.Context, id string, args []string, timeout time.Duration) probe.Outcome {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	output, err := p.runCommand(ctx, id, args)
	var exit exitError
	switch {
	case err == nil:
		return probe.Outcome{Good: true}
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return probe.Outcome{Text: fmt.Sprintf("command timed out: %q timed out after %v", strings.Join(args, " "), timeout)}
	case errors.As(err, &exit):
		return probe.Outcome{Text: output}
	case errors.Is(err, container.ErrNotRunning):
		return probe.Outcome{Err: err}
	}
	return probe.Outcome{Text: err.Error()} // it could not be started
}

// dial connects to Pods from the hub, and to everything else as any program of the user's.
func (n *Node) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if to, err := netip.ParseAddrPort(address); err == nil {
		if v4, v6 := n.hub.Ranges(); v4.Contains(to.Addr()) || v6.Contains(to.Addr()) {
			return n.hub.Dial(ctx, network, address)
		}
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, network, address)
}
