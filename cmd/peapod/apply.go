package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/peapod/peapod/rootless/api/client"
	"github.com/peapod/peapod/rootless/kube"
)

type applyOptions struct {
	manifestFlags
	output string
	dryRun string
}

func newApply(a *app) *cobra.Command {
	var o applyOptions
	cmd := &cobra.Command{
		Use:   "apply -f FILE…",
		Short: "Create objects from manifests, or change them to what the manifests say",
		Long: `Create the objects that manifests (YAML or JSON) describe, or change those that exist to what the manifests say.

All documents of all files are checked before anything is sent: a mistake anywhere changes nothing.
A field that is valid but has no effect on one machine is named in a warning.`,
		Example: `  # Run what a file says
  peapod apply -f pod.yaml

  # All manifests of a folder and its subfolders
  peapod apply -R -f manifests/

  # From a pipe; only ask what would happen
  sed s/1.21/1.25/ pod.yaml | peapod apply --dry-run=server -f -`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(o.files) == 0 {
				return usagef(cmd, "must specify -f")
			}
			return a.apply(cmd.Context(), cmd, &o)
		},
	}
	o.add(cmd)
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "one of yaml, json, name, go-template=…")
	cmd.Flags().StringVar(&o.dryRun, "dry-run", "none", "server: check and answer, but change nothing; or none")
	return cmd
}

// noArgs refuses arguments as kubectl does.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef(cmd, "Unexpected args: %v", args)
	}
	return nil
}

func (a *app) apply(ctx context.Context, cmd *cobra.Command, o *applyOptions) error {
	if o.dryRun != "none" && o.dryRun != "server" {
		return usagef(cmd, `invalid dry-run value (%s): must be "none" or "server"`, o.dryRun)
	}
	print, err := newObjectPrinter(o.output)
	if err == nil && print == nil && o.output != "" {
		err = unknownOutput(o.output, "go-template,json,name,yaml")
	}
	if err != nil {
		return err
	}
	objects, err := a.named(&o.manifestFlags, "apply")
	if err != nil {
		return err
	}
	if len(objects) == 0 {
		return errors.New("no objects passed to apply")
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	var failed []error
	for i := range objects {
		if err := a.applyOne(ctx, c, &objects[i], o, print); err != nil {
			failed = append(failed, &locatedError{&objects[i], err})
		}
	}
	return errors.Join(failed...)
}

func (a *app) applyOne(ctx context.Context, c *client.Client, e *kube.Entry, options *applyOptions, print objectPrinter) error {
	dryRun := options.dryRun == "server"
	ref := refOf(e.Object)
	applied, err := c.Apply(ctx, ref.request(), e.Raw, dryRun)
	if err != nil {
		return err
	}
	for _, warning := range applied.Warnings {
		fmt.Fprintln(a.err, "Warning:", warning)
	}
	if print != nil {
		object, err := decodeObject(applied.Object)
		if err != nil {
			return err
		}
		return print(a.out, object)
	}
	suffix := ""
	if dryRun {
		suffix = " (server dry run)"
	}
	fmt.Fprintf(a.out, "%s/%s %s%s\n", ref.kind, ref.name, applied.Outcome, suffix)
	return nil
}
