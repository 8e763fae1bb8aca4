package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/peapod/peapod/image"
	"github.com/peapod/peapod/rootless/api/client"
)

type saveOptions struct {
	output, format string
	quiet          bool
}

// saveDirectories are the formats that are directories, by the names that podman has for them.
var saveDirectories = map[string]string{"oci-dir": image.OCILayout, "docker-dir": image.Directory}

func newSave(a *app) *cobra.Command {
	var o saveOptions
	cmd := &cobra.Command{
		Use:   "save [-o FILE] IMAGE…",
		Short: "Write images into an archive",
		Long: `Write images into one archive, to standard output or into a file, which appears when it is whole. docker load, podman load,
peapod load and skopeo read it.

Formats: docker-archive, oci-archive, and as directories (with -o) oci-dir and docker-dir; the latter holds one image.`,
		Example: `  # Into a file
  peapod save -o images.tar nginx:1.21 busybox

  # To another machine
  peapod save nginx | ssh host peapod load`,
		Args:              atLeast(1, "name an image"),
		ValidArgsFunction: a.completeImages(-1),
		RunE:              func(cmd *cobra.Command, args []string) error { return a.save(cmd.Context(), cmd, args, &o) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.output, "output", "o", "", "the file or directory; otherwise standard output")
	flags.StringVar(&o.format, "format", image.DockerArchive, "docker-archive, oci-archive, oci-dir or docker-dir")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "for podman's sake: nothing is printed anyhow")
	return cmd
}

func (a *app) save(ctx context.Context, cmd *cobra.Command, references []string, o *saveOptions) error {
	directory := saveDirectories[o.format]
	if directory == "" && o.format != image.DockerArchive && o.format != image.OCIArchive {
		return usagef(cmd, "unknown format %q: want docker-archive, oci-archive, oci-dir or docker-dir", o.format)
	}
	file, isFile := a.out.(*os.File)
	switch {
	case o.output == "" && directory != "":
		return usagef(cmd, "%s is a directory: name it with -o", o.format)
	case o.output == "" && isFile && term.IsTerminal(int(file.Fd())):
		return errors.New("cannot write an archive to a terminal: name a file with -o, or redirect the standard output")
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	switch {
	case directory != "":
		path, err := filepath.Abs(o.output)
		if err != nil {
			return err
		}
		return imageError(c.SaveDirectory(ctx, references, directory, path))
	case o.output == "":
		return imageError(c.Save(ctx, references, o.format, a.out))
	}
	return imageError(saveFile(ctx, c, references, o))
}

// saveFile writes beside the file wanted, which is replaced when all is there. What is no regular file (a pipe) is written to.
func saveFile(ctx context.Context, c *client.Client, references []string, o *saveOptions) (err error) {
	if info, err := os.Stat(o.output); err == nil && !info.Mode().IsRegular() {
		if info.IsDir() {
			return fmt.Errorf("%s: is a directory", o.output)
		}
		return saveInto(ctx, c, references, o)
	}
	f, err := os.CreateTemp(filepath.Dir(o.output), "."+filepath.Base(o.output)+".")
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // the error that brought us here says more
		}
		if ctx.Err() != nil && err != nil {
			err = &exitError{code: 130}
		}
	}()
	err = c.Save(ctx, references, o.format, f)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), o.output)
}

func saveInto(ctx context.Context, c *client.Client, references []string, o *saveOptions) error {
	f, err := os.OpenFile(o.output, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(c.Save(ctx, references, o.format, f), f.Close())
}
