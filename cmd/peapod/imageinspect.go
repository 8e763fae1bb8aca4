package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/peapod/peapod/rootless/api"
)

func newImageInspect(a *app) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "inspect IMAGE…",
		Short: "Print all about images",
		Long:  `Print all about images as docker image inspect does: a JSON array, or what a Go template makes of each.`,
		Example: `  # Everything
  peapod image inspect nginx:1.21

  # What it runs
  peapod image inspect -f '{{json .Config.Cmd}}' nginx:1.21`,
		Args:              atLeast(1, "name an image"),
		ValidArgsFunction: a.completeImages(-1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.connect()
			if err != nil {
				return err
			}
			found := []api.ImageDetails{}
			var failed []error
			for _, arg := range args {
				details, err := c.InspectImage(cmd.Context(), arg)
				if err != nil {
					failed = append(failed, imageError(err))
					continue
				}
				found = append(found, *details)
			}
			return errors.Join(append(failed, printInspect(a.out, found, format))...)
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", "", "a Go template; functions: json, join, split, lower, upper")
	return cmd
}
