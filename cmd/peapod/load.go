package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/peapod/peapod/image"
	"github.com/peapod/peapod/rootless/api"
)

type loadOptions struct {
	input string
	quiet bool
}

func newLoad(a *app) *cobra.Command {
	var o loadOptions
	cmd := &cobra.Command{
		Use:   "load [-i FILE]",
		Short: "Load images from an archive",
		Long: `Load the images of an archive into the store: what docker save, podman save, peapod save or skopeo have written. It may be a
docker-archive or an oci-archive, compressed or not, or a directory with an OCI layout or one image (skopeo's dir:); which of them
shows in its content. A name without a registry becomes localhost/NAME.`,
		Example: `  # From a file
  peapod load -i nginx.tar.gz

  # From elsewhere
  ssh host docker save nginx | peapod load`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.load(cmd.Context(), &o) },
	}
	cmd.Flags().StringVarP(&o.input, "input", "i", "", "the archive, or a directory; otherwise standard input")
	cmd.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "no progress")
	return cmd
}

func (a *app) load(ctx context.Context, o *loadOptions) error {
	in, what := a.in, "standard input"
	if o.input != "" && o.input != "-" {
		file, err := os.Open(o.input)
		if err != nil {
			return err
		}
		defer file.Close()
		in, what = file, o.input
	}
	size := int64(-1)
	if file, ok := in.(*os.File); ok {
		info, err := file.Stat()
		switch {
		case err != nil:
			return err
		case info.IsDir():
			return a.loadDirectory(ctx, o)
		case term.IsTerminal(int(file.Fd())):
			return fmt.Errorf("cannot read an archive from a terminal: name a file with -i, or redirect the standard input")
		case info.Mode().IsRegular():
			size = info.Size()
		}
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	archive := &sending{r: in, to: a.archiveProgress(o.quiet), size: size}
	loaded, err := c.Load(ctx, archive, archive.update)
	archive.finish()
	a.printLoaded(loaded)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// archiveProgress is progress that does not tell the end of reading to a file of lines: that is no news.
func (a *app) archiveProgress(quiet bool) progress {
	p := a.progress(quiet)
	if lines, ok := p.(*lineProgress); ok {
		lines.done["archive"] = true
	}
	return p
}

func (a *app) printLoaded(loaded []api.LoadedImage) {
	for _, one := range loaded {
		if one.Name == "" {
			fmt.Fprintln(a.out, "Loaded image ID: "+prefixedID(one.ID))
		} else {
			fmt.Fprintln(a.out, "Loaded image: "+one.Name)
		}
	}
}

// loadDirectory has the node read a directory, of whichever of the two kinds it is.
func (a *app) loadDirectory(ctx context.Context, o *loadOptions) error {
	place := image.Place{Transport: image.Directory, Path: o.input}
	if _, err := os.Stat(filepath.Join(o.input, "index.json")); err == nil {
		place.Transport = image.OCILayout
	}
	place, err := place.Absolute()
	if err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	progress := a.progress(o.quiet)
	loaded, err := c.Pull(ctx, api.PullRequest{Reference: place.String()}, progress.update)
	progress.finish()
	a.printLoaded(loaded)
	return imageError(err)
}
