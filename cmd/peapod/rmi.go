package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func newRmi(a *app) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "rmi IMAGE…",
		Short: "Remove images, or names of them",
		Long: `Remove names of images, and with its last name the image. By its id an image goes with all its names.

An image that a Pod uses, running or not, stays; so does one of which podman or buildah have a container. With -f even such an
image loses the name given, but never what containers are made of.`,
		Example: `  # One
  peapod rmi nginx:1.21

  # All without a name: see also peapod image prune
  peapod rmi $(peapod images -q -f dangling=true)`,
		Args:              atLeast(1, "name an image"),
		ValidArgsFunction: a.completeImages(-1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.connect()
			if err != nil {
				return err
			}
			var failed []error
			for _, arg := range args {
				removed, err := c.RemoveImage(cmd.Context(), arg, force)
				if err != nil {
					failed = append(failed, imageError(err))
					continue
				}
				for _, name := range removed.Untagged {
					fmt.Fprintln(a.out, "Untagged: "+name)
				}
				if removed.Deleted != "" {
					fmt.Fprintln(a.out, "Deleted: "+prefixedID(removed.Deleted))
				}
			}
			return errors.Join(failed...)
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "take the name away even if the image is used; an id even if it has names of several repositories")
	return cmd
}

// prefixedID is an id as docker prints a whole one.
func prefixedID(id string) string { return "sha256:" + strings.TrimPrefix(id, "sha256:") }
