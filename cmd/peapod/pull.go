package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/peapod/peapod/image"
	"github.com/peapod/peapod/rootless/api"
)

type pullOptions struct {
	registryFlags
	quiet    bool
	platform string
}

func newPull(a *app) *cobra.Command {
	var o pullOptions
	cmd := &cobra.Command{
		Use:   "pull IMAGE…",
		Short: "Fetch images into the store",
		Long: `Fetch images from their registries into the store. Registries, mirrors, short names and credentials are those of the ecosystem's
own files: registries.conf, policy.json, auth.json.

An image can also be docker-archive:FILE[:NAME], oci-archive:FILE[:REF], oci:DIRECTORY[:REF] or dir:DIRECTORY.

The name that the image has in the store is printed at the end.`,
		Example: `  # With a bar for each layer
  peapod pull nginx:1.21

  # In a script
  peapod pull -q docker.io/library/busybox

  # What skopeo or docker save has written
  peapod pull docker-archive:nginx.tar`,
		Args: atLeast(1, "name an image"),
		RunE: func(cmd *cobra.Command, args []string) error {
			credentials, err := o.parse(cmd)
			if err != nil {
				return err
			}
			return a.pull(cmd.Context(), args, api.PullRequest{
				Platform: o.platform, Insecure: !o.tlsVerify, Credentials: credentials,
			}, o.quiet)
		},
	}
	o.add(cmd)
	cmd.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "no progress")
	cmd.Flags().StringVar(&o.platform, "platform", "", "OS/ARCH[/VARIANT] instead of this machine's")
	return cmd
}

func (a *app) pull(ctx context.Context, references []string, request api.PullRequest, quiet bool) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	var failed []error
	for _, reference := range references {
		if request.Reference, err = absolutePlace(reference); err != nil {
			failed = append(failed, err)
			continue
		}
		progress := a.progress(quiet)
		loaded, err := c.Pull(ctx, request, progress.update)
		progress.finish()
		for _, one := range loaded {
			fmt.Fprintln(a.out, nameOrID(one))
		}
		if err != nil {
			failed = append(failed, imageError(err))
		}
	}
	return errors.Join(failed...)
}

// nameOrID is what an image can be called by.
func nameOrID(one api.LoadedImage) string {
	if one.Name == "" {
		return prefixedID(one.ID)
	}
	return one.Name
}

// absolutePlace makes the path in docker-archive:FILE and its like an absolute one: the node has a working directory of its own.
func absolutePlace(reference string) (string, error) {
	place, ok, err := image.ParsePlace(reference)
	if !ok || err != nil {
		return reference, err
	}
	place, err = place.Absolute()
	return place.String(), err
}
