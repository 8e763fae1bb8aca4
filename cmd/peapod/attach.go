package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/api"
)

func newAttach(a *app) *cobra.Command {
	var o sessionOptions
	cmd := &cobra.Command{
		Use:                   "attach (POD | pod/POD) [-c CONTAINER] [-i] [-t]",
		DisableFlagsInUseLine: true,
		Short:                 "Attach to a running container",
		Long: `Show what a container writes from now on, and with -i pass input to its first process, until that ends.

The container reads input only if its manifest says stdin: true, and has a terminal only if it says tty: true. Without -c it is the
container that the annotation kubectl.kubernetes.io/default-container names, else the first one.`,
		Example: `  # Watch what a container writes
  peapod attach demo -c nginx

  # Sit down at its terminal; ctrl-p ctrl-q leaves it as it is
  peapod attach -it demo -c shell`,
		ValidArgsFunction: a.completePod,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef(cmd, "expected POD or pod/POD, and nothing else")
			}
			name, err := o.parse(cmd, args[0])
			if err != nil {
				return err
			}
			return a.attach(cmd.Context(), name, &o)
		},
	}
	o.addFlags(a, cmd)
	return cmd
}

func (a *app) attach(ctx context.Context, name string, o *sessionOptions) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	pod, err := a.podContainers(ctx, c, name)
	if err != nil {
		return err
	}
	if o.container == "" {
		if o.container, err = a.chooseContainer(pod, name, o.quiet); err != nil {
			return err
		}
	}
	asked := o.tty
	if o.tty = pod.hasTTY(o.container); asked && !o.tty && !o.quiet {
		fmt.Fprintf(a.err, "error: Unable to use a TTY - container %s did not allocate one\n", o.container)
	}
	request := api.AttachRequest{Container: o.container, Streams: api.Streams{Stdout: a.out, Stderr: a.err}}
	if o.stdin {
		request.Stdin = a.in
	}
	raw, err := false, error(nil)
	_, err = a.withTerminal(ctx, &request.Streams, o, func(ctx context.Context) (int, error) {
		if raw = request.Resize != nil; raw {
			request.Resize = nudge(request.Resize)
		}
		if raw && !o.quiet {
			fmt.Fprint(a.err, "If you don't see a command prompt, try pressing enter.\r\n")
		}
		return 0, c.Attach(ctx, a.namespace, name, request)
	})
	switch {
	case errors.Is(err, api.ErrDetached):
		return nil
	case err == nil && raw && !o.quiet && pod.isEphemeral(o.container):
		fmt.Fprintf(a.out, "Session ended, the ephemeral container will not be restarted but may be reattached using 'peapod attach %s -c %s -i -t' if it is still running\n", name, o.container)
	case err == nil && raw && !o.quiet && pod.Spec.RestartPolicy != string(corev1.RestartPolicyNever) && pod.Spec.RestartPolicy != string(corev1.RestartPolicyOnFailure):
		fmt.Fprintf(a.out, "Session ended, resume using 'peapod attach %s -c %s -i -t' command when the pod is running\n", name, o.container)
	}
	return err
}

// nudge begins with a size that is not the terminal's, so that a program that is there already draws its screen anew.
func nudge(sizes <-chan api.TerminalSize) <-chan api.TerminalSize {
	out := make(chan api.TerminalSize)
	go func() {
		defer close(out)
		first := true
		for size := range sizes {
			if first {
				out <- api.TerminalSize{Width: size.Width + 1, Height: size.Height + 1}
				first = false
			}
			out <- size
		}
	}()
	return out
}
