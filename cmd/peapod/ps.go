package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/peapod/peapod/rootless/api"
)

type psOptions struct {
	all, quiet, noTrunc bool
}

func newPs(a *app) *cobra.Command {
	var o psOptions
	cmd := &cobra.Command{
		Use:   "ps",
		Short: "List containers, each Pod's pause among them",
		Long: `List the containers of all Pods in all namespaces as docker ps does. Each Pod has one more than its manifest says:
the pause, which holds the Pod's namespaces.`,
		Example: `  # Running containers
  peapod ps

  # Also those that have ended, with whole ids
  peapod ps -a --no-trunc`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.ps(cmd.Context(), &o) },
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.all, "all", "a", false, "also containers that do not run")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "only ids")
	flags.BoolVar(&o.noTrunc, "no-trunc", false, "whole ids and commands")
	return cmd
}

func (a *app) ps(ctx context.Context, o *psOptions) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	containers, err := c.Containers(ctx)
	if err != nil {
		return err
	}
	return printContainers(a.out, containers, o, time.Now())
}

func printContainers(w io.Writer, containers []api.Container, o *psOptions, now time.Time) error {
	rows := [][]string{{"CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "NAMES"}}
	for i := range containers {
		container := &containers[i]
		if !container.State.Running && !o.all {
			continue
		}
		id, command := shortID(container.ID), strings.Join(append([]string{container.Path}, container.Args...), " ")
		if o.noTrunc {
			id = container.ID
		} else {
			command = ellipsis(command, 20)
		}
		if o.quiet {
			fmt.Fprintln(w, id)
			continue
		}
		image := container.ImageName
		if image == "" {
			image = shortID(container.Image)
		}
		rows = append(rows, []string{
			id, image, strconv.Quote(command), ago(container.Created, now), containerStatus(&container.State, now), container.Name,
		})
	}
	if o.quiet {
		return nil
	}
	return dockerColumns().print(w, rows)
}

// containerStatus is docker's sentence about a state.
func containerStatus(state *api.ContainerState, now time.Time) string {
	switch {
	case state.Running:
		return "Up " + units.HumanDuration(now.Sub(state.StartedAt))
	case state.Status == "exited":
		return fmt.Sprintf("Exited (%d) %s", state.ExitCode, ago(state.FinishedAt, now))
	default:
		return "Created"
	}
}

func ago(t, now time.Time) string {
	if t.IsZero() {
		return "N/A"
	}
	return units.HumanDuration(now.Sub(t)) + " ago"
}

// shortID is the twelve digits that people type.
func shortID(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(len(id), 12)]
}

func ellipsis(text string, limit int) string {
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return text
}
