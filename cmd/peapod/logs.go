package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

type logsFlags struct {
	tail, limitBytes int64
	since            time.Duration
	sinceTime        string
}

func newLogs(a *app) *cobra.Command {
	var o corev1.PodLogOptions
	var f logsFlags
	cmd := &cobra.Command{
		Use:   "logs (POD | pod/POD) [CONTAINER | -c CONTAINER]",
		Short: "Print the log of a container",
		Long:  "Print what a container wrote to its standard output and standard error.",
		Example: `  # The log of one container, and then what comes
  peapod logs demo -c nginx -f

  # The last 20 lines of the instance before the last restart
  peapod logs demo -c nginx -p --tail 20

  # The last five minutes, each line with its time
  peapod logs demo -c nginx --since 5m --timestamps`,
		ValidArgsFunction: a.completePod,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0 || len(args) > 2:
				return usagef(cmd, "expected 'logs (POD | pod/POD) [CONTAINER_NAME]'.\nPOD or pod/POD is a required argument for the logs command")
			case len(args) == 2 && o.Container != "":
				return usagef(cmd, "only one of -c or an inline [CONTAINER] arg is allowed")
			case len(args) == 2:
				o.Container = args[1]
			}
			name, err := podName(args[0])
			if err != nil {
				return err
			}
			if err := f.set(cmd, &o); err != nil {
				return err
			}
			return a.logs(cmd.Context(), name, &o)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.Container, "container", "c", "", "the container's name")
	flags.BoolVarP(&o.Follow, "follow", "f", false, "go on with what the container writes")
	flags.BoolVarP(&o.Previous, "previous", "p", false, "of the instance before this one")
	flags.BoolVar(&o.Timestamps, "timestamps", false, "begin each line with its time")
	flags.Int64Var(&f.tail, "tail", -1, "only so many of the last lines; -1 for all")
	flags.DurationVar(&f.since, "since", 0, "only lines younger than this (5s, 2m, 3h)")
	flags.StringVar(&f.sinceTime, "since-time", "", "only lines after this time (RFC 3339)")
	flags.Int64Var(&f.limitBytes, "limit-bytes", 0, "end after so many bytes; 0 for no limit")
	_ = cmd.RegisterFlagCompletionFunc("container", a.completeContainer) // fails only for a flag that does not exist
	return cmd
}

// set moves what the API writes otherwise into the options.
func (f *logsFlags) set(cmd *cobra.Command, o *corev1.PodLogOptions) error {
	switch {
	case f.tail < -1:
		return usagef(cmd, "--tail must be greater than or equal to -1")
	case f.since < 0:
		return usagef(cmd, "--since must be greater than 0")
	case f.limitBytes < 0:
		return usagef(cmd, "--limit-bytes must be greater than 0")
	case f.since > 0 && f.sinceTime != "":
		return usagef(cmd, "at most one of `sinceTime` or `sinceSeconds` may be specified")
	}
	if f.tail >= 0 {
		o.TailLines = &f.tail
	}
	if f.limitBytes > 0 {
		o.LimitBytes = &f.limitBytes
	}
	if f.since > 0 {
		seconds := int64(math.Ceil(f.since.Seconds()))
		o.SinceSeconds = &seconds
	}
	if f.sinceTime != "" {
		t, err := time.Parse(time.RFC3339Nano, f.sinceTime)
		if err != nil {
			return usagef(cmd, "--since-time: %q is not a time like 2006-01-02T15:04:05Z", f.sinceTime)
		}
		o.SinceTime = &metav1.Time{Time: t}
	}
	return nil
}

func (a *app) logs(ctx context.Context, name string, o *corev1.PodLogOptions) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	if o.Container == "" {
		if o.Container, err = a.defaultContainer(ctx, c, name, false); err != nil {
			return err
		}
	}
	stream, err := c.Logs(ctx, a.namespace, name, o)
	if err != nil {
		return err
	}
	defer stream.Close()
	if _, err := io.Copy(a.out, stream); err != nil {
		return fmt.Errorf("logs of %s: %w", name, err)
	}
	return nil
}
