package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"go.podman.io/image/v5/directory"
	dockerarchive "go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/types"
)

// Save writes images into one archive: DockerArchive, or OCIArchive with the layers compressed. Signatures stay behind: both
// forms rewrite what they sign. What is written before an error is useless.
func (s *Store) Save(ctx context.Context, refs []string, format string, w io.Writer, report func(Progress)) error {
	images, err := s.choose(refs)
	if err != nil {
		return err
	}
	switch format {
	case DockerArchive:
		err = s.saveDocker(ctx, images, w, report)
	case OCIArchive:
		err = s.saveOCI(ctx, images, w, report)
	default:
		err = fmt.Errorf("format %q: want %s or %s", format, DockerArchive, OCIArchive)
	}
	if err != nil {
		return fmt.Errorf("save images: %w", err)
	}
	return nil
}

// SaveDirectory writes images into a directory that does not exist, or is empty: as an OCILayout, or one image as a Directory.
// A failure leaves nothing.
func (s *Store) SaveDirectory(ctx context.Context, refs []string, format, dir string, report func(Progress)) error {
	images, err := s.choose(refs)
	if err != nil {
		return err
	}
	if format != OCILayout && format != Directory {
		return fmt.Errorf("format %q: want %s or %s", format, OCILayout, Directory)
	}
	if format == Directory && len(images) > 1 {
		return fmt.Errorf("save images: %s holds one image", format)
	}
	err = replaceDirectory(dir, func(temporary string) error {
		for _, one := range images {
			to, err := toDirectory(format, temporary, one.name)
			if err != nil {
				return err
			}
			if _, _, err := s.copyOut(ctx, one, to, s.system, report); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("save images: %s: %w", dir, err)
	}
	return nil
}

func toDirectory(format, dir string, name reference.Named) (types.ImageReference, error) {
	if format == Directory {
		return directory.NewReference(dir)
	}
	if name == nil {
		return layout.NewReference(dir, "")
	}
	return layout.NewReference(dir, name.String())
}

// saveDocker streams a docker-archive: the library writes into a pipe.
func (s *Store) saveDocker(ctx context.Context, images []outgoing, w io.Writer, report func(Progress)) (err error) {
	r, pipe, err := os.Pipe()
	if err != nil {
		return err
	}
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(w, r)
		copied <- errors.Join(err, r.Close()) // a writer that goes on gets EPIPE
	}()
	// The library opens what it writes to by name; this one opens the pipe (proc(5)).
	archive, err := dockerarchive.NewWriter(s.system, fmt.Sprintf("/proc/self/fd/%d", pipe.Fd()))
	err = errors.Join(err, pipe.Close())
	if archive != nil {
		for _, names := range byID(images) {
			if err == nil {
				err = s.addToDocker(ctx, archive, names, report)
			}
		}
		err = errors.Join(err, archive.Close())
	}
	return cmp.Or(<-copied, err) // that the reader is gone is the cause of what follows
}

// byID puts together what is one image by several names: the library cannot add it twice.
func byID(images []outgoing) [][]outgoing {
	var groups [][]outgoing
	for _, one := range images {
		i := slices.IndexFunc(groups, func(group []outgoing) bool { return group[0].ID == one.ID })
		if i < 0 {
			groups = append(groups, []outgoing{one})
		} else {
			groups[i] = append(groups[i], one)
		}
	}
	return groups
}

// addToDocker adds one image with its names.
func (s *Store) addToDocker(ctx context.Context, archive *dockerarchive.Writer, names []outgoing, report func(Progress)) error {
	var tags []reference.NamedTagged
	for _, one := range names {
		if tagged := one.tagged(); tagged != nil {
			tags = append(tags, tagged)
		}
	}
	system := *s.system
	var first reference.NamedTagged
	if len(tags) > 0 {
		first, system.DockerArchiveAdditionalTags = tags[0], tags[1:]
	}
	to, err := archive.NewReference(first)
	if err != nil {
		return err
	}
	_, _, err = s.copyOut(ctx, names[0], to, &system, report)
	return err
}

// saveOCI makes a layout in the scratch directory and writes it as a tar file.
func (s *Store) saveOCI(ctx context.Context, images []outgoing, w io.Writer, report func(Progress)) (err error) {
	dir, err := os.MkdirTemp(s.scratch.Name(), "layout-")
	if err != nil {
		return fmt.Errorf("make a scratch directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for _, one := range images {
		to, err := toDirectory(OCILayout, dir, one.name)
		if err != nil {
			return err
		}
		if _, _, err := s.copyOut(ctx, one, to, s.system, report); err != nil {
			return err
		}
	}
	return packDirectory(ctx, dir, w)
}
