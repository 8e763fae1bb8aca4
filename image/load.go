package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/types"
)

// Loaded is an image that has arrived in the store, and the name that was given to it; empty if it is known by its id only.
type Loaded struct {
	*Image
	Name string
}

// LoadOptions change how Load and PullFrom go about it. The zero value is fine.
type LoadOptions struct {
	// Report is called from any goroutine, but never by two at once; it must not block for long nor call the Store.
	Report func(Progress)
	// Platform chooses from what has several: OS/ARCH or OS/ARCH/VARIANT. Empty: this machine's.
	Platform string
}

// incoming is one image on its way in, and the names that it is to have.
type incoming struct {
	from  types.ImageReference
	names []reference.Named
	what  string // what to call it in an error
}

// Load brings every image of an archive into the store: a docker-archive or an oci-archive, which may be compressed. What
// it is shows in its content. Names without a registry become localhost/NAME, as with podman.
//
// An archive that is cut off, or is none, leaves nothing. If one of several images cannot be loaded, those before it are
// returned with the error.
func (s *Store) Load(ctx context.Context, r io.Reader, o LoadOptions) ([]Loaded, error) {
	archive, err := s.spool(ctx, r)
	if err != nil {
		return nil, err
	}
	return s.loadArchive(ctx, archive, "", o)
}

// PullFrom brings the images of a place into the store.
func (s *Store) PullFrom(ctx context.Context, p Place, o LoadOptions) ([]Loaded, error) {
	loaded, err := s.pullFrom(ctx, p, o)
	if err != nil {
		err = fmt.Errorf("%s: %w", p, err)
	}
	return loaded, err
}

func (s *Store) pullFrom(ctx context.Context, p Place, o LoadOptions) ([]Loaded, error) {
	switch p.Transport {
	case OCILayout:
		return s.bringOpen(ctx, o)(openLayout(p.Path, p.Name))
	case Directory:
		return s.bringOpen(ctx, o)(openDirectory(p.Path))
	}
	f, err := os.Open(p.Path)
	if err != nil {
		return nil, plainPathError(err)
	}
	defer f.Close()
	archive, err := s.openArchive(ctx, f)
	if err != nil {
		return nil, err
	}
	if archive.kind.transport() != p.Transport {
		return nil, errors.Join(fmt.Errorf("it is of the kind %s", archive.kind.transport()), archive.close())
	}
	return s.loadArchive(ctx, archive, p.Name, o)
}

// plainPathError leaves the path out, which the caller names.
func plainPathError(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// loadArchive loads the images of an archive, or the one called name, and removes its temporary files.
func (s *Store) loadArchive(ctx context.Context, archive *archiveFile, name string, o LoadOptions) (_ []Loaded, err error) {
	defer func() { err = errors.Join(err, archive.close()) }()
	return s.bringOpen(ctx, o)(s.imagesOf(archive, name))
}

// bringOpen copies what has been opened, if it has, and closes it.
func (s *Store) bringOpen(ctx context.Context, o LoadOptions) func([]incoming, func() error, error) ([]Loaded, error) {
	return func(images []incoming, done func() error, err error) ([]Loaded, error) {
		if err != nil {
			return nil, err
		}
		loaded, err := s.bringAll(ctx, images, o)
		return loaded, errors.Join(err, done())
	}
}

// bringAll copies images into the store, one after the other: their layers already go in parallel.
func (s *Store) bringAll(ctx context.Context, images []incoming, o LoadOptions) ([]Loaded, error) {
	system := *s.system
	if err := choosePlatform(&system, o.Platform); err != nil {
		return nil, err
	}
	report := o.Report
	if report == nil {
		report = func(Progress) {}
	}
	var all []Loaded
	for _, one := range images {
		loaded, err := s.bringOne(ctx, &system, one, report)
		if ctx.Err() != nil {
			return all, ctx.Err()
		}
		if err != nil {
			return all, fmt.Errorf("load image %s: %w", one.what, err)
		}
		all = append(all, loaded...)
	}
	return all, nil
}

// bringOne copies an image by its first name and adds the others.
func (s *Store) bringOne(ctx context.Context, system *types.SystemContext, one incoming, report func(Progress)) ([]Loaded, error) {
	var first reference.Named
	if len(one.names) > 0 {
		first = one.names[0]
	}
	image, err := s.copyIn(ctx, system, one.from, first, report)
	if err != nil {
		if c := rejected("", err); c != nil {
			c.err = err
			err = c
		}
		return nil, err
	}
	if first == nil {
		return []Loaded{{Image: image}}, nil
	}
	loaded := []Loaded{{image, first.String()}}
	for _, name := range one.names[1:] {
		if err := s.storage.AddNames(image.ID, []string{name.String()}); err != nil {
			return loaded, fmt.Errorf("name it %s: %w", name, err)
		}
		loaded = append(loaded, Loaded{image, name.String()})
	}
	return loaded, nil
}

// choosePlatform reads OS/ARCH[/VARIANT] into a context.
func choosePlatform(system *types.SystemContext, platform string) error {
	if platform == "" {
		return nil
	}
	parts := strings.Split(platform, "/")
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" || parts[1] == "" {
		return fmt.Errorf("platform %q: want OS/ARCH or OS/ARCH/VARIANT, as in linux/arm64", platform)
	}
	system.OSChoice, system.ArchitectureChoice = parts[0], parts[1]
	if len(parts) == 3 {
		system.VariantChoice = parts[2]
	}
	return nil
}

// localName gives an image's name in an archive the form that it has in the store: what has no registry was made
// locally, and is localhost/NAME.
func localName(s string) (reference.Named, error) {
	if isShort(s) {
		s = "localhost/" + s
	}
	named, err := ParseReference(s)
	if err != nil {
		return nil, err
	}
	return withoutTagIfDigested(named), nil
}
