package image

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"
)

// PushOptions change how Push goes about it. The zero value is fine.
type PushOptions struct {
	// Report is called from any goroutine, but never by two at once; it must not block for long nor call the Store.
	Report func(Progress)
	// Username and Password go before what the auth file has. Both empty: as the auth file says.
	Username, Password string
	// Insecure allows HTTP, and certificates that nobody vouches for, from this registry.
	Insecure bool
}

// Pushed says what became of a pushed image.
type Pushed struct {
	Name   string        // where it is now
	Digest digest.Digest // of its manifest there; empty for an archive
	Size   int           // of the manifest, in bytes
}

// Push copies an image to a registry, by the name that it has here or by another, or to a Place. Signatures stay behind:
// compressing the layers changes what they sign. Errors are those of Pull, and ErrNotFound.
func (s *Store) Push(ctx context.Context, ref, to string, o PushOptions) (*Pushed, error) {
	images, err := s.choose([]string{ref})
	if err != nil {
		return nil, err
	}
	place, isPlace, err := ParsePlace(to)
	if err != nil {
		return nil, err
	}
	if isPlace {
		pushed, err := s.pushToPlace(ctx, images[0], place, o)
		if err != nil {
			return nil, fmt.Errorf("push image %q to %s: %w", ref, place, err)
		}
		return pushed, nil
	}
	name := images[0].name
	if to != "" {
		if name, err = ParseReference(TrimDocker(to)); err != nil {
			return nil, err
		}
	}
	pushed, err := s.pushToRegistry(ctx, images[0], name, o)
	if err != nil {
		return nil, fmt.Errorf("push image %q: %w", ref, err)
	}
	return pushed, nil
}

func (s *Store) pushToRegistry(ctx context.Context, one outgoing, name reference.Named, o PushOptions) (*Pushed, error) {
	if name == nil {
		return nil, errors.New("an id does not say where to: give a name as the second argument")
	}
	if reference.Domain(name) == "localhost" {
		return nil, fmt.Errorf("%s was made here and names no registry; give a name as the second argument", name)
	}
	sysregistriesv2.InvalidateCache() // the user may have edited registries.conf since
	to, err := docker.NewReference(name)
	if err != nil {
		return nil, err
	}
	system := *s.system
	if o.Username != "" || o.Password != "" {
		system.DockerAuthConfig = &types.DockerAuthConfig{Username: o.Username, Password: o.Password}
	}
	if o.Insecure {
		system.DockerInsecureSkipTLSVerify = types.OptionalBoolTrue
	}
	sum, size, err := s.copyOut(ctx, one, to, &system, o.Report)
	if err != nil {
		return nil, explain(name, err)
	}
	return &Pushed{name.String(), sum, size}, nil
}

// pushToPlace writes a file or a directory. An OCI layout that exists is added to; nothing else that exists is touched but to
// replace a file as a whole.
func (s *Store) pushToPlace(ctx context.Context, one outgoing, p Place, o PushOptions) (*Pushed, error) {
	if p.Name != "" && p.Transport != OCILayout {
		name, err := ParseReference(p.Name)
		if err != nil {
			return nil, err
		}
		one.name = name
	}
	pushed := &Pushed{Name: p.String()}
	var err error
	switch p.Transport {
	case DockerArchive, OCIArchive:
		save := s.saveDocker
		if p.Transport == OCIArchive {
			save = s.saveOCI
		}
		err = replaceFile(p.Path, func(f *os.File) error { return save(ctx, []outgoing{one}, f, o.Report) })
	case Directory:
		err = replaceDirectory(p.Path, func(temporary string) error {
			to, err := toDirectory(Directory, temporary, nil)
			if err == nil {
				pushed.Digest, pushed.Size, err = s.copyOut(ctx, one, to, s.system, o.Report)
			}
			return err
		})
	case OCILayout:
		var to types.ImageReference
		if to, err = layout.NewReference(p.Path, p.Name); err == nil {
			pushed.Digest, pushed.Size, err = s.copyOut(ctx, one, to, s.system, o.Report)
		}
	}
	return pushed, err
}
