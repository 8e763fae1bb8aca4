package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/peapod/peapod/rootless/api/client"
)

type getOptions struct {
	output         string
	selector       string
	fieldSelector  string
	allNamespaces  bool
	watch          bool
	noHeaders      bool
	showLabels     bool
	ignoreNotFound bool
}

func newGet(a *app) *cobra.Command {
	var o getOptions
	cmd := &cobra.Command{
		Use:   "get (TYPE [NAME…] | TYPE/NAME… | TYPE,TYPE… | all)",
		Short: "List Pods, what makes them, what they use, events or namespaces",
		Long: `List Pods (pods, pod, po), Services (svc), their endpoints (ep), Deployments (deployments, deploy), ReplicaSets (rs), StatefulSets (sts), DaemonSets (ds), Jobs, CronJobs (cj),
ConfigMaps (cm), Secrets, claims (pvc), ServiceAccounts (sa), events (ev) or namespaces (ns); "all" is what serves and runs.

Several names are asked for one by one: what is found is printed, what is missing is an error at the end.`,
		Example: `  # All Pods of the namespace, with addresses
  peapod get pods -o wide

  # Pods and Services
  peapod get po,svc

  # One Pod as YAML
  peapod get pod/demo -o yaml

  # Follow the Pods of an application in every namespace
  peapod get po -A -l app=demo --watch

  # One value
  peapod get po demo -o go-template='{{.status.podIP}}'`,
		ValidArgsFunction: a.completeTargets,
		RunE: func(cmd *cobra.Command, args []string) error {
			several, err := severalKinds(args)
			if err != nil {
				return err
			}
			if len(several) > 0 {
				return a.getSeveral(cmd.Context(), cmd, several, &o)
			}
			targets, err := parseTargets(cmd, args)
			if err != nil {
				return err
			}
			return a.get(cmd.Context(), cmd, targets, &o)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.output, "output", "o", "", "one of wide, yaml, json, name, go-template=…")
	flags.StringVarP(&o.selector, "selector", "l", "", "only objects with these labels (app=demo,tier!=db)")
	flags.StringVar(&o.fieldSelector, "field-selector", "", "only objects with these fields (status.phase=Running)")
	flags.BoolVarP(&o.allNamespaces, "all-namespaces", "A", false, "of every namespace")
	flags.BoolVarP(&o.watch, "watch", "w", false, "after that print changes, until interrupted")
	flags.BoolVar(&o.noHeaders, "no-headers", false, "no line of column names")
	flags.BoolVar(&o.showLabels, "show-labels", false, "all labels as the last column")
	flags.BoolVar(&o.ignoreNotFound, "ignore-not-found", false, "no error for a name that does not exist")
	return cmd
}

func (a *app) get(ctx context.Context, cmd *cobra.Command, targets []target, o *getOptions) error {
	print, err := a.getPrinter(targets[0].kind, o)
	if err != nil {
		return err
	}
	if named := targets[0].name != ""; named && (o.selector != "" || o.allNamespaces) {
		return usagef(cmd, "a resource cannot be retrieved by name across all namespaces or with a selector")
	}
	if o.watch && len(targets) > 1 {
		return usagef(cmd, "you may only specify a single resource when using --watch")
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	var answers []json.RawMessage
	var missing []error
	for _, t := range targets {
		var answer json.RawMessage
		err := c.Get(ctx, a.request(t, o, print.table), &answer)
		switch {
		case apierrors.IsNotFound(err) && o.ignoreNotFound:
		case err != nil:
			missing = append(missing, err)
		default:
			answers = append(answers, answer)
		}
	}
	if len(answers) > 0 {
		if err := print.first(answers, targets[0].name == ""); err != nil {
			return err
		}
	}
	if err := errors.Join(missing...); err != nil || !o.watch {
		return err
	}
	return a.watch(ctx, c, targets[0], o, print, answers)
}

func (a *app) request(t target, o *getOptions, table bool) client.Request {
	r := client.Request{
		Group: t.kind.group, Resource: t.kind.resource, Name: t.name, Table: table, LabelSelector: o.selector, FieldSelector: o.fieldSelector,
	}
	if t.kind.namespaced && !o.allNamespaces {
		r.Namespace = a.namespace
	}
	return r
}

// watch goes on after the answer until the node ends it.
func (a *app) watch(ctx context.Context, c *client.Client, t target, o *getOptions, print *getPrinter, answers []json.RawMessage) error {
	r := a.request(t, o, print.table)
	if t.name != "" {
		r.Name, r.FieldSelector = "", "metadata.name="+t.name
	}
	var seen struct {
		Metadata struct{ ResourceVersion string }
	}
	for _, answer := range answers {
		if err := json.Unmarshal(answer, &seen); err != nil {
			return err
		}
	}
	r.ResourceVersion = seen.Metadata.ResourceVersion
	stream, err := c.Watch(ctx, r)
	if err != nil {
		return err
	}
	defer stream.Close()
	for {
		var object json.RawMessage
		_, err := stream.Next(&object)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := print.next(object); err != nil {
			return err
		}
	}
}

// noneFound is what kubectl says, on standard error, instead of an empty table.
func (a *app) noneFound(k kind, allNamespaces bool) {
	if allNamespaces || !k.namespaced {
		fmt.Fprintln(a.err, "No resources found")
		return
	}
	fmt.Fprintf(a.err, "No resources found in %s namespace.\n", a.namespace)
}
