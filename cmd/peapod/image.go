package main

import (
	"errors"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// newImage groups the verbs about images as docker does. Most of them are also there without the word image.
func newImage(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "image COMMAND",
		Short: "Commands for images; most are there without this word, too",
		Long: `Commands for images. ls is peapod images, rm is peapod rmi; the others, but for inspect and prune, are there without the word
image, too.`,
		Example: `  # The same
  peapod image ls
  peapod images`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef(cmd, "unknown command %q", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	list, remove := newImages(a), newRmi(a)
	list.Use, list.Aliases = "ls [REPOSITORY[:TAG]]", []string{"list"}
	remove.Use, remove.Aliases = "rm IMAGE…", []string{"remove"}
	cmd.AddCommand(list, remove, newPull(a), newPush(a), newLoad(a), newSave(a), newTag(a), newUntag(a), newImageInspect(a), newImagePrune(a))
	return cmd
}

// imageError leaves out what kubectl says before an error of a server: the verbs about images are docker's.
func imageError(err error) error {
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Code < 500 {
		return errors.New(status.Status().Message)
	}
	return err
}

// atLeast refuses a command line with fewer arguments.
func atLeast(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < n {
			return usagef(cmd, "%s", what)
		}
		return nil
	}
}

// between refuses a command line with fewer or more arguments.
func between(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return usagef(cmd, "%s", what)
		}
		return nil
	}
}
