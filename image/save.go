package image

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/directory"
	dockerarchive "go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/signature"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"
)

// outgoing is an image on its way out of the store. The name is nil if it was chosen by its id.
type outgoing struct {
	*Image
	name reference.Named
}

// tagged is the name if it has a tag, else nil.
func (o outgoing) tagged() reference.NamedTagged {
	tagged, _ := o.name.(reference.NamedTagged)
	return tagged
}

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

// replaceDirectory has write fill a directory beside the one wanted, which takes its place at the end: rename(2) replaces an
// empty directory and no other.
func replaceDirectory(dir string, write func(temporary string) error) (err error) {
	dir = filepath.Clean(dir)
	entries, err := os.ReadDir(dir)
	if len(entries) > 0 {
		return errors.New("it exists and is not empty")
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return plainPathError(err)
	}
	temporary, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".")
	if err != nil {
		return plainPathError(err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(temporary))
		}
	}()
	if err := write(temporary); err != nil {
		return err
	}
	if err := os.Chmod(temporary, 0o755); err != nil { //nolint:gosec // as mkdir(1) makes them
		return plainPathError(err)
	}
	return os.Rename(temporary, dir)
}

// choose finds images. Each keeps the name that it was chosen by.
func (s *Store) choose(refs []string) ([]outgoing, error) {
	if len(refs) == 0 {
		return nil, errors.New("name an image")
	}
	var images []outgoing
	for _, ref := range refs {
		record, name, err := s.find(ref)
		if err != nil {
			return nil, err
		}
		one := outgoing{}
		if one.Image, err = s.load(record); err != nil {
			return nil, err
		}
		if name != "" {
			if one.name, err = ParseReference(name); err != nil {
				return nil, err
			}
		}
		images = append(images, one)
	}
	return images, nil
}

// copyOut copies an image from the store to elsewhere and returns the digest and the size of its manifest there. The policy
// is not asked: it was when the image came.
func (s *Store) copyOut(ctx context.Context, one outgoing, to types.ImageReference, system *types.SystemContext, report func(Progress)) (
	sum digest.Digest, size int, err error,
) {
	from, err := istorage.Transport.NewStoreReference(s.storage, nil, one.ID)
	if err != nil {
		return "", 0, err
	}
	admission, err := signature.NewPolicyContext(&signature.Policy{Default: signature.PolicyRequirements{signature.NewPRInsecureAcceptAnything()}})
	if err != nil {
		return "", 0, err
	}
	defer func() { err = errors.Join(err, admission.Destroy()) }()
	if report == nil {
		report = func(Progress) {}
	}
	progress, drained := reportAll(report)
	manifest, err := copy.Image(ctx, admission, to, from, &copy.Options{
		SourceCtx: s.system, DestinationCtx: system, RemoveSignatures: true,
		Progress: progress, ProgressInterval: progressInterval,
	})
	close(progress)
	<-drained
	if ctx.Err() != nil {
		return "", 0, ctx.Err()
	}
	return digest.FromBytes(manifest), len(manifest), err
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
		for _, one := range images {
			if err == nil {
				err = s.addToDocker(ctx, archive, one, report)
			}
		}
		err = errors.Join(err, archive.Close())
	}
	return cmp.Or(<-copied, err) // that the reader is gone is the cause of what follows
}

func (s *Store) addToDocker(ctx context.Context, archive *dockerarchive.Writer, one outgoing, report func(Progress)) error {
	to, err := archive.NewReference(one.tagged())
	if err != nil {
		return err
	}
	_, _, err = s.copyOut(ctx, one, to, s.system, report)
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

// packDirectory writes a directory's files as a tar file, in the order of their names and without times and owners: equal
// images give equal archives.
func packDirectory(ctx context.Context, dir string, w io.Writer) error {
	archive := tar.NewWriter(w)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755})
		}
		return packFile(archive, name, path)
	})
	if err != nil {
		return err
	}
	return archive.Close()
}

func packFile(archive *tar.Writer, name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(archive, f)
	return err
}
