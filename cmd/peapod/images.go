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
	quiet, noTrunc, digests bool
	filters                 []string
	output, format          string
}

func newImages(a *app) *cobra.Command {
	var o imagesOptions
	var all bool
	cmd := &cobra.Command{
		Use:   "images [REPOSITORY[:TAG]]",
		Short: "List the images in the store",
		Long: `List the images in the store. It is the store of podman, buildah and skopeo too: what one of them pulled or built is here,
and the other way round.

Filters: dangling=true|false (without a name), reference=PATTERN, before=IMAGE, since=IMAGE, until=TIME (or a duration, as in 24h),
label=NAME[=VALUE], label!=NAME[=VALUE].
Fields of a format: .Repository .Tag .ID .Digest .CreatedSince .CreatedAt .Size`,
		Example: `  # All images
  peapod images

  # Their ids
  peapod images -q

  # Those that lost their name, and those of a repository
  peapod images -f dangling=true
  peapod images nginx`,
		Args:              between(0, 1, "name at most one repository"),
		ValidArgsFunction: a.completeImages(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, arg := range args {
				o.filters = append(o.filters, "reference="+arg)
			}
			return a.images(cmd.Context(), &o)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&all, "all", "a", false, "for docker's sake: no image is hidden")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "only ids")
	flags.BoolVar(&o.noTrunc, "no-trunc", false, "whole ids")
	flags.BoolVar(&o.digests, "digests", false, "with the digests of the manifests")
	flags.StringArrayVarP(&o.filters, "filter", "f", nil, "only those that KEY=VALUE admits")
	flags.StringVarP(&o.output, "output", "o", "", "json")
	flags.StringVar(&o.format, "format", "", `a Go template for each line, json, or "table TEMPLATE"`)
	return cmd
}

func (a *app) images(ctx context.Context, o *imagesOptions) error {
	if o.format == "json" && o.output == "" {
		o.output, o.format = "json", ""
	}
	if o.output != "" && o.output != "json" {
		return unknownOutput(o.output, "json")
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	images, err := c.Images(ctx, o.filters...)
	if err != nil {
		return imageError(err)
	}
	if o.output == "json" {
		return indented(a.out, images)
	}
	return printImages(a.out, images, o, time.Now())
}

// imageRow is a name of an image. The words are those that docker has for templates.
type imageRow struct {
	Repository, Tag, ID, Digest, CreatedSince, CreatedAt, Size string
}

// imageHeader is what stands over the columns.
var imageHeader = imageRow{
	Repository: "REPOSITORY", Tag: "TAG", ID: "IMAGE ID", Digest: "DIGEST", CreatedSince: "CREATED", CreatedAt: "CREATED AT", Size: "SIZE",
}

// imageRows has a row for each name of an image.
func imageRows(images []api.Image, noTrunc bool, now time.Time) []imageRow {
	var rows []imageRow
	for i := range images {
		image := &images[i]
		names := image.Names
		if len(names) == 0 {
			names = []string{""}
		}
		id, digest, created := image.ID, image.Digest, "N/A"
		if !noTrunc {
			id = shortID(id)
		}
		if digest == "" {
			digest = "<none>"
		}
		if !image.Created.IsZero() {
			created = image.Created.Local().Format("2006-01-02 15:04:05 -0700 MST")
		}
		for _, name := range names {
			repository, tag := splitName(name)
			rows = append(rows, imageRow{
				Repository: repository, Tag: tag, ID: id, Digest: digest, CreatedSince: ago(image.Created, now), CreatedAt: created,
				Size: units.HumanSizeWithPrecision(float64(image.Size), 3),
			})
		}
	}
	return rows
}

func printImages(w io.Writer, images []api.Image, o *imagesOptions, now time.Time) error {
	if o.quiet {
		for i := range images {
			id := images[i].ID
			if !o.noTrunc {
				id = shortID(id)
			}
			fmt.Fprintln(w, id)
		}
		return nil
	}
	rows := imageRows(images, o.noTrunc, now)
	if o.format != "" {
		return printImageTemplate(w, rows, o.format)
	}
	cells := func(r *imageRow) []string {
		if o.digests {
			return []string{r.Repository, r.Tag, r.Digest, r.ID, r.CreatedSince, r.Size}
		}
		return []string{r.Repository, r.Tag, r.ID, r.CreatedSince, r.Size}
	}
	table := [][]string{cells(&imageHeader)}
	for i := range rows {
		table = append(table, cells(&rows[i]))
	}
	return dockerColumns().print(w, table)
}

// printImageTemplate has a line for each row. After the word table the parts of a line between tabs become columns with headers.
func printImageTemplate(w io.Writer, rows []imageRow, format string) error {
	text, isTable := strings.CutPrefix(format, "table ")
	t, err := parseTemplate(strings.ReplaceAll(text, `\t`, "\t")) // shells leave it as it is
	if err != nil {
		return err
	}
	if isTable {
		rows = append([]imageRow{imageHeader}, rows...)
	}
	var lines [][]string
	for i := range rows {
		var line strings.Builder
		if err := t.Execute(&line, &rows[i]); err != nil {
			return err
		}
		lines = append(lines, strings.Split(line.String(), "\t"))
	}
	if isTable {
		return dockerColumns().print(w, lines)
	}
	for _, line := range lines {
		fmt.Fprintln(w, strings.Join(line, "\t"))
	}
	return nil
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
