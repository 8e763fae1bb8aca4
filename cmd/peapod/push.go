package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/peapod/peapod/rootless/api"
)

type pushOptions struct {
	registryFlags
	quiet      bool
	digestFile string
}

func newPush(a *app) *cobra.Command {
	var o pushOptions
	cmd := &cobra.Command{
		Use:   "push IMAGE [DESTINATION]",
		Short: "Copy an image to a registry",
		Long: `Copy an image to the registry that its name says, or under another name. Credentials are those of peapod login.

The destination can also be docker-archive:FILE[:NAME], oci-archive:FILE[:REF], oci:DIRECTORY[:REF] or dir:DIRECTORY.`,
		Example: `  # By its name
  peapod push registry.example/team/nginx:1.21

  # By another, and keep the digest that it has there
  peapod push --digestfile digest nginx:1.21 registry.example/team/nginx:1.21`,
		Args:              between(1, 2, "name an image, and perhaps a destination"),
		ValidArgsFunction: a.completeImages(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			credentials, err := o.parse(cmd)
			if err != nil {
				return err
			}
			request := api.PushRequest{Reference: args[0], Insecure: !o.tlsVerify, Credentials: credentials}
			if len(args) > 1 {
				if request.Destination, err = absolutePlace(args[1]); err != nil {
					return err
				}
			}
			return a.push(cmd.Context(), request, &o)
		},
	}
	o.add(cmd)
	cmd.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "no progress, and at the end only the name")
	cmd.Flags().StringVar(&o.digestFile, "digestfile", "", "write the digest into this file")
	return cmd
}

func (a *app) push(ctx context.Context, request api.PushRequest, o *pushOptions) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	progress := a.progress(o.quiet)
	pushed, err := c.Push(ctx, request, progress.update)
	progress.finish()
	if err != nil {
		return imageError(err)
	}
	label := pushed.Name
	if _, tag := splitName(pushed.Name); tag != "<none>" {
		label = tag // as docker has it
	}
	if o.quiet || pushed.Digest == "" {
		fmt.Fprintln(a.out, pushed.Name)
	} else {
		fmt.Fprintf(a.out, "%s: digest: %s size: %d\n", label, pushed.Digest, pushed.Size)
	}
	if o.digestFile == "" {
		return nil
	}
	if pushed.Digest == "" {
		return fmt.Errorf("%s has no digest to put into %s", pushed.Name, o.digestFile)
	}
	return os.WriteFile(o.digestFile, []byte(pushed.Digest), 0o644) //nolint:gosec // no secret
}
