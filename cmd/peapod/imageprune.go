package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/peapod/peapod/rootless/api"
)

func newImagePrune(a *app) *cobra.Command {
	var request api.PruneRequest
	var force bool
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove images that nobody uses",
		Long: `Remove images that have no name and are not used; with -a also those with one. An image that a Pod uses, running or not, stays; so
does one of which podman or buildah have a container.

Filters: until=TIME (or a duration, as in 24h), label=NAME[=VALUE], label!=NAME[=VALUE].`,
		Example: `  # Ask, then remove what has no name
  peapod image prune

  # What is older than a week, in a script
  peapod image prune -a -f --filter until=168h`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !force {
				if err := a.confirmPrune(request.All); err != nil {
					return err
				}
			}
			c, err := a.connect()
			if err != nil {
				return err
			}
			removed, err := c.PruneImages(cmd.Context(), request)
			var reclaimed int64
			for i := range removed {
				reclaimed += removed[i].Reclaimed
				fmt.Fprintln(a.out, strings.TrimPrefix(removed[i].Deleted, "sha256:"))
			}
			if err != nil && len(removed) == 0 {
				return imageError(err)
			}
			fmt.Fprintln(a.out, "Total reclaimed space: "+humanSize(reclaimed))
			return err
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&request.All, "all", "a", false, "also images that have a name")
	flags.BoolVarP(&force, "force", "f", false, "do not ask")
	flags.StringArrayVar(&request.Filters, "filter", nil, "only those that KEY=VALUE admits")
	return cmd
}

// confirmPrune asks. Where nobody answers, that is an error: a script would take silence for success.
func (a *app) confirmPrune(all bool) error {
	what := "all images without a name that nobody uses"
	if all {
		what = "all images that nobody uses"
	}
	fmt.Fprintf(a.err, "WARNING! This will remove %s.\nAre you sure you want to continue? [y/N] ", what)
	answer, err := bufio.NewReader(io.LimitReader(a.in, 100)).ReadString('\n')
	answer = strings.ToLower(strings.TrimSpace(answer))
	switch {
	case answer == "y" || answer == "yes":
		return nil
	case answer == "" && err != nil:
		fmt.Fprintln(a.err)
		return errors.New("nobody answered, and nothing was removed; -f does not ask")
	}
	return &exitError{code: 1, text: "nothing was removed"}
}
