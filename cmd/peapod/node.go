package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/peapod/peapod/rootless/api/client"
)

// nodeOptions are the flags of the node.
type nodeOptions struct {
	debug       bool
	logMaxSize  string
	logMaxFiles int
	engine      string
	podCIDR     []string
	runtime     string
	podMaxPids  int64
}

// rotation reads what bounds containers' logs.
func (o *nodeOptions) rotation() (size int64, files int, err error) {
	q, err := resource.ParseQuantity(o.logMaxSize)
	if err != nil || q.Value() <= 0 {
		return 0, 0, fmt.Errorf("--container-log-max-size: %q is not a size such as 10Mi", o.logMaxSize)
	}
	if o.logMaxFiles < 2 {
		return 0, 0, fmt.Errorf("--container-log-max-files: %d: there are at least 2, as one is being written", o.logMaxFiles)
	}
	return q.Value(), o.logMaxFiles, nil
}

// ranges reads the Pods' ranges, at most one of each family.
func (o *nodeOptions) ranges() (v4, v6 netip.Prefix, err error) {
	for _, text := range o.podCIDR {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return v4, v6, fmt.Errorf("--pod-cidr: %q is not a range such as 10.88.0.0/16 or fd00:88::/64", text)
		}
		into := &v6
		if p.Addr().Is4() {
			into = &v4
		}
		if into.IsValid() {
			return v4, v6, fmt.Errorf("--pod-cidr: %s and %s are of one family", *into, p)
		}
		*into = p
	}
	return v4, v6, nil
}

// fromEnvironment sets flags that were not given. A node that another command starts has no others.
func (o *nodeOptions) fromEnvironment(flags *pflag.FlagSet, getenv func(string) string) error {
	for flag, variable := range map[string]string{
		"container-log-max-size": "PEAPOD_CONTAINER_LOG_MAX_SIZE", "container-log-max-files": "PEAPOD_CONTAINER_LOG_MAX_FILES",
		"network-engine": "PEAPOD_NETWORK_ENGINE",
		"runtime":        "PEAPOD_RUNTIME",
		"pod-max-pids":   "PEAPOD_POD_MAX_PIDS",
		"pod-cidr":       "PEAPOD_POD_CIDR",
	} {
		if value := getenv(variable); value != "" && !flags.Changed(flag) {
			if err := flags.Set(flag, value); err != nil {
				return fmt.Errorf("%s: %w", variable, err)
			}
		}
	}
	return nil
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
			if err := o.fromEnvironment(cmd.Flags(), a.getenv); err != nil {
				return err
			}
			return runNode(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.debug, "debug", false, "log more")
	cmd.Flags().StringVar(&o.logMaxSize, "container-log-max-size", "10Mi", "a container's log is rotated at this size ($PEAPOD_CONTAINER_LOG_MAX_SIZE)")
	cmd.Flags().IntVar(&o.logMaxFiles, "container-log-max-files", 5, "so many files are kept of it ($PEAPOD_CONTAINER_LOG_MAX_FILES)")
	cmd.Flags().StringVar(&o.engine, "network-engine", "", "what carries Pods' connections to the outside: relay, gvisor, or one of the programs slirp4netns and pasta if installed; relay or gvisor, by what the kernel has, if not given ($PEAPOD_NETWORK_ENGINE)")
	cmd.Flags().Int64Var(&o.podMaxPids, "pod-max-pids", -1, "a Pod has no more processes and threads; -1: any number ($PEAPOD_POD_MAX_PIDS)")
	cmd.Flags().StringSliceVar(&o.podCIDR, "pod-cidr", nil, "ranges of Pods' addresses, one of IPv4, of IPv6, or one of each; free ones of the host's if not given ($PEAPOD_POD_CIDR)")
	cmd.Flags().StringVar(&o.runtime, "runtime", "peapod", "runs Pods without a runtimeClassName: peapod, or crun, runc, runsc or youki if installed ($PEAPOD_RUNTIME)")
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
