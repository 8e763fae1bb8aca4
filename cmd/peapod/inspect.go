package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/peapod/peapod/rootless/api"
)

type inspectOptions struct {
	container, format string
}

func newInspect(a *app) *cobra.Command {
	var o inspectOptions
	cmd := &cobra.Command{
		Use:   "inspect (POD [-c CONTAINER] | CONTAINER-ID | CONTAINER-NAME)…",
		Short: "Print all about containers",
		Long: `Print all about containers as docker inspect does: a JSON array, or what a Go template makes of each.

A Pod means all of its containers, or with -c one of them; "pause" (or "POD") is the one that holds the namespaces.
A container can also be named by its id, the beginning of its id, or its name in ps.`,
		Example: `  # Everything about a Pod's containers
  peapod inspect demo

  # The process of one container, and of the pause
  peapod inspect demo -c nginx -f '{{.State.Pid}}'
  peapod inspect demo -c pause -f '{{.State.Pid}}'

  # A part as JSON
  peapod inspect k8s_nginx_demo_default_1b4e28ba-2fa1-11d2-883f-0016d3cca427_0 -f '{{json .NetworkSettings}}'`,
		ValidArgsFunction: a.completePod,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef(cmd, "name a Pod or a container")
			}
			return a.inspect(cmd.Context(), args, &o)
		},
	}
	cmd.Flags().StringVarP(&o.container, "container", "c", "", "one container of the Pod; pause is the one that holds the namespaces")
	cmd.Flags().StringVarP(&o.format, "format", "f", "", "a Go template; functions: json, join, split, lower, upper")
	_ = cmd.RegisterFlagCompletionFunc("container", a.completeContainer) // fails only for a flag that does not exist
	return cmd
}

func (a *app) inspect(ctx context.Context, args []string, o *inspectOptions) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	all, err := c.Containers(ctx)
	if err != nil {
		return err
	}
	var found []api.Container
	for _, arg := range args {
		some, err := findContainers(all, a.namespace, arg, o.container)
		if err != nil {
			return err
		}
		found = append(found, some...)
	}
	return printInspect(a.out, found, o.format)
}

// findContainers looks first for a Pod of that name, then for a container's name, then for an id that begins so.
func findContainers(all []api.Container, namespace, word, container string) ([]api.Container, error) {
	pod, err := podName(word)
	if err != nil {
		return nil, err
	}
	if container == "pause" {
		container = "POD"
	}
	var ofPod, one, byName, byID []api.Container
	for i := range all {
		if all[i].Pod.Name == pod && all[i].Pod.Namespace == namespace {
			ofPod = append(ofPod, all[i])
			if all[i].ContainerName == container {
				one = append(one, all[i])
			}
		}
		if all[i].Name == word {
			byName = append(byName, all[i])
		}
		if strings.HasPrefix(strings.TrimPrefix(all[i].ID, "sha256:"), word) {
			byID = append(byID, all[i])
		}
	}
	switch {
	case len(ofPod) > 0 && container == "":
		return ofPod, nil
	case len(one) > 0:
		return newest(one), nil
	case container != "" && len(ofPod) > 0:
		return nil, fmt.Errorf("container %s is not valid for pod %s", container, pod)
	case container != "":
		return nil, fmt.Errorf("no such pod: %s", pod)
	case len(byName) > 0:
		return byName, nil
	case len(byID) == 1:
		return byID, nil
	case len(byID) > 1:
		return nil, fmt.Errorf("%s: the ids of %d containers begin so", word, len(byID))
	}
	return nil, fmt.Errorf("no such pod or container: %s", word)
}

// newest keeps, of several instances of one container, the one that was created last.
func newest(instances []api.Container) []api.Container {
	last := 0
	for i := range instances {
		if instances[i].Created.After(instances[last].Created) {
			last = i
		}
	}
	return instances[last : last+1]
}
