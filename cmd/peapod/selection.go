package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/peapod/peapod/rootless/api/client"
)

// selectFlags are those of commands that take several objects of a kind without their names.
type selectFlags struct {
	all      bool
	selector string
}

func (s *selectFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&s.all, "all", false, "all of the type in the namespace")
	cmd.Flags().StringVarP(&s.selector, "selector", "l", "", "those with these labels")
}

// find connects, and returns the objects that names or a selection mean.
func (a *app) find(ctx context.Context, cmd *cobra.Command, args []string, s *selectFlags) (*client.Client, []objectRef, error) {
	c, err := a.connect()
	if err != nil {
		return nil, nil, err
	}
	refs, err := a.refs(ctx, cmd, c, args, s)
	return c, refs, err
}

// refs are the objects that names or a selection mean.
func (a *app) refs(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string, s *selectFlags) ([]objectRef, error) {
	targets, err := parseTargets(cmd, args)
	if err != nil {
		return nil, err
	}
	var refs []objectRef
	for _, t := range targets {
		if !t.kind.applied {
			return nil, fmt.Errorf("%s cannot be %s", t.kind.resource, pastOf(cmd.Name()))
		}
		refs = append(refs, objectRef{t.kind, a.namespaceOf(t.kind), t.name})
	}
	many := s.all || s.selector != ""
	switch named := targets[0].name != ""; {
	case named && many:
		return nil, usagef(cmd, "name cannot be provided when a selector is specified")
	case !named && !many:
		return nil, usagef(cmd, "resource(s) were provided, but no name was specified")
	case many:
		return a.selected(ctx, c, targets[0].kind, s.selector)
	}
	return refs, nil
}

// pastOf is what has been done by a command.
func pastOf(command string) string {
	switch command {
	case "wait":
		return "waited for"
	case "scale", "delete", "pause", "resume":
		return command + "d"
	case "undo":
		return "undone"
	}
	return command + "ed"
}

func (a *app) selected(ctx context.Context, c *client.Client, k kind, selector string) ([]objectRef, error) {
	var list metav1.PartialObjectMetadataList
	err := c.Get(ctx, client.Request{Group: k.group, Resource: k.resource, Namespace: a.namespaceOf(k), LabelSelector: selector}, &list)
	var refs []objectRef
	for i := range list.Items {
		refs = append(refs, objectRef{k, list.Items[i].Namespace, list.Items[i].Name})
	}
	return refs, err
}
