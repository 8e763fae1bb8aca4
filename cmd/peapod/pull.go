package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/peapod/peapod/rootless/api"
)

func newPull(a *app) *cobra.Command {
	var quiet bool
	cmd := &cobra.Command{
		Use:   "pull IMAGE…",
		Short: "Fetch images into the store",
		Long: `Fetch images from their registries into the store. Registries, mirrors, short names and credentials are those of the ecosystem's
own files: registries.conf, policy.json, auth.json.

The name that the image has in the store is printed at the end.`,
		Example: `  # With a bar for each layer
  peapod pull nginx:1.21

  # In a script
  peapod pull -q docker.io/library/busybox`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef(cmd, "name an image")
			}
			return a.pull(cmd.Context(), args, quiet)
		},
	}
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "no progress")
	return cmd
}

func (a *app) pull(ctx context.Context, references []string, quiet bool) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	var failed []error
	for _, reference := range references {
		progress := a.progress(quiet)
		image, err := c.Pull(ctx, reference, progress.update)
		progress.finish()
		if err != nil {
			failed = append(failed, err)
			continue
		}
		name := image.ID
		if len(image.Names) > 0 {
			name = image.Names[0]
		}
		fmt.Fprintln(a.out, name)
	}
	return errors.Join(failed...)
}

// progress shows a pull; update and finish are called from one goroutine.
type progress interface {
	update(line api.PullProgress)
	finish()
}

// progress chooses the form by where standard error goes.
func (a *app) progress(quiet bool) progress {
	if quiet {
		return noProgress{}
	}
	file, ok := a.err.(*os.File)
	if ok && a.getenv("TERM") != "dumb" && a.getenv("TERM") != "" && term.IsTerminal(int(file.Fd())) {
		return newBars(file, func() (width, height int) {
			width, height, _ = term.GetSize(int(file.Fd())) // 0, 0 if it does not say
			return width, height
		})
	}
	return newLineProgress(a.err)
}

type noProgress struct{}

func (noProgress) update(api.PullProgress) {}
func (noProgress) finish()                 {}

// lineProgress has a line for each message and for each layer that is done.
type lineProgress struct {
	out  io.Writer
	done map[string]bool
}

func newLineProgress(out io.Writer) *lineProgress { return &lineProgress{out, map[string]bool{}} }

func (l *lineProgress) update(line api.PullProgress) {
	switch {
	case line.Layer == "" && line.Message != "":
		fmt.Fprintln(l.out, printable(line.Message))
	case line.Layer != "" && line.Done && !l.done[line.Layer]:
		l.done[line.Layer] = true
		fmt.Fprintln(l.out, shortID(line.Layer)+": "+printable(cmp.Or(line.Message, "done")))
	}
}

func (l *lineProgress) finish() {}
