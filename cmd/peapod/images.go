package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/peapod/peapod/rootless/api"
)

type imagesOptions struct {
	quiet, noTrunc bool
	output         string
}

func newImages(a *app) *cobra.Command {
	var o imagesOptions
	cmd := &cobra.Command{
		Use:   "images",
		Short: "List the images in the store",
		Long: `List the images in the store. It is the store of podman, buildah and skopeo too: what one of them pulled or built is here,
and the other way round.`,
		Example: `  # All images
  peapod images

  # Their ids
  peapod images -q`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.images(cmd.Context(), &o) },
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "only ids")
	flags.BoolVar(&o.noTrunc, "no-trunc", false, "whole ids")
	flags.StringVarP(&o.output, "output", "o", "", "json")
	return cmd
}

func (a *app) images(ctx context.Context, o *imagesOptions) error {
	if o.output != "" && o.output != "json" {
		return unknownOutput(o.output, "json")
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	images, err := c.Images(ctx)
	if err != nil {
		return err
	}
	if o.output == "json" {
		return indented(a.out, images)
	}
	return printImages(a.out, images, o, time.Now())
}

// printImages has a line for each name of an image.
func printImages(w io.Writer, images []api.Image, o *imagesOptions, now time.Time) error {
	rows := [][]string{{"REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"}}
	for _, image := range images {
		id := shortID(image.ID)
		if o.noTrunc {
			id = image.ID
		}
		if o.quiet {
			fmt.Fprintln(w, id)
			continue
		}
		names := image.Names
		if len(names) == 0 {
			names = []string{""}
		}
		for _, name := range names {
			repository, tag := splitName(name)
			rows = append(rows, []string{repository, tag, id, ago(image.Created, now), units.HumanSizeWithPrecision(float64(image.Size), 3)})
		}
	}
	if o.quiet {
		return nil
	}
	return dockerColumns().print(w, rows)
}

// splitName divides a name at its tag; a colon before the last slash belongs to a port.
func splitName(name string) (repository, tag string) {
	name, _, _ = strings.Cut(name, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		return name[:i], name[i+1:]
	}
	if name == "" {
		name = "<none>"
	}
	return name, "<none>"
}
