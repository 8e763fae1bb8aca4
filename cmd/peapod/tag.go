package main

import (
	"github.com/spf13/cobra"

	"github.com/peapod/peapod/rootless/api"
)

func newTag(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "tag IMAGE NAME…",
		Short: "Give an image more names",
		Long: `Give an image more names. A name that another image has moves to this one. A name without a registry becomes localhost/NAME; the
short form goes on to find it.`,
		Example: `  # A name to push to
  peapod tag nginx:1.21 registry.example/team/nginx:1.21`,
		Args:              atLeast(2, "name an image and its new name"),
		ValidArgsFunction: a.completeImages(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.tag(cmd, api.TagRequest{Reference: args[0], Names: args[1:]})
		},
	}
}

func newUntag(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "untag IMAGE [NAME…]",
		Short: "Take names from an image",
		Long:  "Take names from an image, all it has if none is given. The image stays, and can be called by its id.",
		Example: `  # One of several names
  peapod untag nginx:1.21 registry.example/team/nginx:1.21`,
		Args:              atLeast(1, "name an image"),
		ValidArgsFunction: a.completeImages(-1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.tag(cmd, api.TagRequest{Reference: args[0], Names: args[1:], Remove: true})
		},
	}
}

func (a *app) tag(cmd *cobra.Command, request api.TagRequest) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	return imageError(c.Tag(cmd.Context(), request))
}
