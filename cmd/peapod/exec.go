package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/peapod/peapod/rootless/api"
)

// sessionOptions are the flags of exec, attach and debug.
type sessionOptions struct {
	container string
	stdin     bool
	tty       bool
	quiet     bool
	keys      string
	detach    []byte // keys, parsed
}

func (o *sessionOptions) addFlags(a *app, cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&o.container, "container", "c", "", "the container's name")
	flags.BoolVarP(&o.stdin, "stdin", "i", false, "pass standard input on")
	flags.BoolVarP(&o.tty, "tty", "t", false, "standard input is a terminal")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "print nothing but output")
	flags.StringVar(&o.keys, "detach-keys", defaultDetachKeys, "with -it, keys that end the session and leave the program running; empty for none")
	_ = cmd.RegisterFlagCompletionFunc("container", a.completeContainer) // fails only for a flag that does not exist
}

// parse reads the flags, and the word that names the Pod.
func (o *sessionOptions) parse(cmd *cobra.Command, word string) (pod string, err error) {
	if o.detach, err = parseKeys(o.keys); err != nil {
		return "", usagef(cmd, "--detach-keys: %v", err)
	}
	return podName(word)
}

func newExec(a *app) *cobra.Command {
	var o sessionOptions
	cmd := &cobra.Command{
		Use:                   "exec (POD | pod/POD) [-c CONTAINER] [-i] [-t] -- COMMAND [ARGUMENT…]",
		DisableFlagsInUseLine: true,
		Short:                 "Run a command in a container",
		Long: `Run a command in a container of a running Pod and end with its exit status.

Without -c it is the container that the annotation kubectl.kubernetes.io/default-container names, else the first one.`,
		Example: `  # Run a command in the Pod's first container
  peapod exec demo -- date

  # A shell in a certain container
  peapod exec -it demo -c busybox -- sh

  # Copy a file out
  peapod exec demo -c nginx -- cat /etc/nginx/nginx.conf > nginx.conf`,
		ValidArgsFunction: a.completePod,
		RunE: func(cmd *cobra.Command, args []string) error {
			dash := cmd.ArgsLenAtDash()
			switch {
			case len(args) == 0 || dash == 0:
				return usagef(cmd, "pod or type/name must be specified")
			case len(args) == 1:
				return usagef(cmd, "you must specify at least one command for the container")
			case dash != 1:
				return usagef(cmd, "exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead")
			}
			name, err := o.parse(cmd, args[0])
			if err != nil {
				return err
			}
			return a.exec(cmd.Context(), name, args[1:], &o)
		},
	}
	o.addFlags(a, cmd)
	return cmd
}

func (a *app) exec(ctx context.Context, name string, command []string, o *sessionOptions) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	if o.container == "" {
		if o.container, err = a.defaultContainer(ctx, c, name, o.quiet); err != nil {
			return err
		}
	}
	request := api.ExecRequest{Container: o.container, Command: command, Streams: api.Streams{Stdout: a.out, Stderr: a.err}}
	if o.stdin {
		request.Stdin = a.in
	}
	code, err := a.withTerminal(ctx, &request.Streams, o, func(ctx context.Context) (int, error) {
		return c.Exec(ctx, a.namespace, name, request)
	})
	if errors.Is(err, api.ErrDetached) {
		return nil
	}
	if err != nil {
		return err
	}
	if code == 0 {
		return nil
	}
	exit := &exitError{code: code}
	if !o.quiet {
		exit.text = fmt.Sprintf("command terminated with exit code %d", code)
	}
	return exit
}
