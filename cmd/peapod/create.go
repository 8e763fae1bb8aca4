package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/peapod/peapod/rootless/kube"
)

// createOptions are those of all that create makes.
type createOptions struct {
	dryRun, output string
	print          objectPrinter
}

func newCreate(a *app) *cobra.Command {
	var o createOptions
	var m manifestFlags
	cmd := &cobra.Command{
		Use:   "create (-f FILE… | namespace | configmap | secret | deployment | job)",
		Short: "Create objects, which must be new, from manifests or from what a command line says",
		Example: `  # What a file says
  peapod create -f pod.yaml

  # A ConfigMap of two values
  peapod create configmap settings --from-literal=colour=blue --from-literal=size=7

  # The manifest of a Deployment
  peapod create deployment web --image=nginx --dry-run=client -o yaml`,
		Args: noArgs,
		PersistentPreRunE: func(cmd *cobra.Command, args []string) error {
			cmd.Root().PersistentPreRun(cmd, args)
			return o.check(cmd)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(m.files) == 0 {
				return usagef(cmd, "must specify one of -f and a subcommand")
			}
			entries, err := a.manifests(&m)
			if err != nil {
				return err
			}
			if len(entries) == 0 {
				return errors.New("no objects passed to create")
			}
			var failed []error
			for i := range entries {
				if err := a.create(cmd.Context(), entries[i].Object, entries[i].Raw, &o); err != nil {
					failed = append(failed, &locatedError{&entries[i], err})
				}
			}
			return errors.Join(failed...)
		},
	}
	m.add(cmd)
	flags := cmd.PersistentFlags()
	flags.StringVar(&o.dryRun, "dry-run", "none", "client: only say it; server: check and answer, but store nothing; or none")
	flags.StringVarP(&o.output, "output", "o", "", "one of yaml, json, name, go-template=…")
	cmd.AddCommand(newCreateNamespace(a, &o), newCreateConfigMap(a, &o), newCreateSecret(a, &o), newCreateDeployment(a, &o), newCreateJob(a, &o))
	return cmd
}

func (o *createOptions) check(cmd *cobra.Command) (err error) {
	if o.dryRun != "none" && o.dryRun != "server" && o.dryRun != "client" {
		return usagef(cmd, `invalid dry-run value (%s): must be "none", "server" or "client"`, o.dryRun)
	}
	if o.print, err = newObjectPrinter(o.output); err == nil && o.print == nil && o.output != "" {
		err = unknownOutput(o.output, "go-template,json,name,yaml")
	}
	return err
}

// createNamed creates an object of a name in the command line's namespace.
func (a *app) createNamed(ctx context.Context, o kube.Object, name string, options *createOptions) error {
	kind := kube.KindOf(o)
	o.SetName(name)
	if !kind.Cluster {
		o.SetNamespace(a.namespace)
	}
	o.GetObjectKind().SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Name))
	raw, err := json.Marshal(o)
	if err != nil {
		return err
	}
	return a.create(ctx, o, raw, options)
}

func (a *app) create(ctx context.Context, o kube.Object, raw []byte, options *createOptions) error {
	ref, suffix := refOf(o), ""
	if options.dryRun != "none" {
		suffix = map[string]string{"client": " (dry run)", "server": " (server dry run)"}[options.dryRun]
	}
	if options.dryRun != "client" {
		c, err := a.connect()
		if err != nil {
			return err
		}
		created, warnings, err := c.Create(ctx, ref.request(), raw, options.dryRun == "server")
		if err != nil {
			return err
		}
		for _, warning := range warnings {
			fmt.Fprintln(a.err, "Warning:", warning)
		}
		raw = created
	}
	object, err := decodeObject(raw)
	if err != nil {
		return err
	}
	if options.print != nil {
		return options.print(a.out, object)
	}
	fmt.Fprintf(a.out, "%s/%s created%s\n", ref.kind, object.at("metadata", "name"), suffix)
	return nil
}

func newCreateNamespace(a *app, o *createOptions) *cobra.Command {
	return &cobra.Command{
		Use: "namespace NAME", Aliases: []string{"ns"}, Short: "Create a namespace", Example: "  peapod create namespace team",
		Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.createNamed(cmd.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{}}, args[0], o)
		},
	}
}

// oneName wants a name, before the words of a command if there is one.
func oneName(cmd *cobra.Command, args []string) error {
	names := len(args)
	if dash := cmd.ArgsLenAtDash(); dash >= 0 {
		names = dash
	}
	if names != 1 {
		return usagef(cmd, "exactly one NAME is required, got %d", names)
	}
	return nil
}
