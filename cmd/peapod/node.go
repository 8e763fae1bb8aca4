package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/peapod/peapod/rootless/api/client"
)

// nodeOptions are the flags of the node.
type nodeOptions struct {
	debug bool
}

// runNode is the node itself; it returns when it has been shut down.
var runNode = func(context.Context, nodeOptions) error { return errors.New("this program was built without the node") }

func newNode(a *app) *cobra.Command {
	var o nodeOptions
	cmd := &cobra.Command{
		Use:   "node",
		Short: "Run the node in the foreground",
		Long: `Run the node: the one process per user that runs Pods. Other commands start one in the background when they find none, so this is
for service managers and for looking at what it does. Its end, however it comes, leaves the Pods running.`,
		Example: `  # In the foreground, with everything it does
  peapod node --debug

  # Is one running? End it; the Pods stay
  peapod node status
  peapod node stop`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if socket := a.givenSocket(); socket != "" {
				return fmt.Errorf("a node does not listen on a socket of choice (%s): --socket and PEAPOD_NODE name the node that other commands speak to; a node's own is in $XDG_RUNTIME_DIR", socket)
			}
			return runNode(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.debug, "debug", false, "log more")
	cmd.AddCommand(
		&cobra.Command{
			Use: "stop", Short: "End the node; the Pods stay as they are", Args: noArgs,
			Long:    "End the node. The Pods stay as they are; nothing restarts a container until the next command starts a node.",
			Example: "  peapod node stop",
			RunE:    func(cmd *cobra.Command, _ []string) error { return a.stopNode(cmd.Context()) },
		},
		&cobra.Command{
			Use: "status", Short: "Tell whether the node runs", Args: noArgs,
			Long:    "Tell whether the node runs, with its process and directories. It is not started; without one the exit status is 1.",
			Example: "  peapod node status",
			RunE:    func(cmd *cobra.Command, _ []string) error { return a.nodeStatus(cmd.Context()) },
		},
	)
	return cmd
}

// stopNode is content if none runs.
func (a *app) stopNode(ctx context.Context) error {
	c, err := a.connectRunning()
	if err != nil {
		return err
	}
	var unreachable *client.Unreachable
	if err := c.Shutdown(ctx); errors.As(err, &unreachable) {
		fmt.Fprintln(a.err, "no node is running")
		return nil
	} else if err != nil {
		return err
	}
	fmt.Fprintln(a.out, "node stopped")
	return nil
}

func (a *app) nodeStatus(ctx context.Context) error {
	c, err := a.connectRunning()
	if err != nil {
		return err
	}
	v, err := c.Version(ctx)
	var unreachable *client.Unreachable
	if errors.As(err, &unreachable) {
		return &exitError{code: 1, text: "no node is running"}
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "Pid: %d\nVersion: %s\nNetwork: %s\nImage Store: %s\nData: %s\nRun: %s\n",
		v.Pid, v.Version, v.Network, v.ImageStore, v.DataDir, v.RunDir)
	return nil
}
