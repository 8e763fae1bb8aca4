package image

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/directory"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/oci/layout"
)

// imagesOf opens an archive: all its images, or the one called name. done is to be called when they have been copied.
func (s *Store) imagesOf(a *archiveFile, name string) (images []incoming, done func() error, err error) {
	if a.kind == dockerArchive {
		return openDockerArchive(s.system, a.path, name)
	}
	dir, err := os.MkdirTemp(s.scratch.Name(), "layout-")
	if err != nil {
		return nil, nil, fmt.Errorf("make a scratch directory: %w", err)
	}
	var closeLayout func() error
	if err = unpackLayout(a.path, dir); err == nil {
		images, closeLayout, err = openLayout(dir, name)
	}
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	for i := range images {
		images[i].from = &archivedReference{images[i].from, a}
	}
	return images, func() error { return errors.Join(closeLayout(), os.RemoveAll(dir)) }, nil
}

// openDirectory opens what skopeo's dir: is. It holds one image, without a name.
func openDirectory(dir string) (images []incoming, done func() error, err error) {
	if _, err := os.Stat(filepath.Join(dir, "manifest.json")); err != nil {
		return nil, nil, fmt.Errorf("manifest.json: %w", plainPathError(err))
	}
	from, err := directory.NewReference(dir)
	return []incoming{{from: from, what: filepath.Base(dir)}}, func() error { return nil }, err
}

// maxIndex bounds index.json, in bytes. It has a hundred or two per image.
const maxIndex = 4 << 20

// openLayout lists the images of an OCI layout, or the one called name. All its files are opened below the directory, so
// a symbolic link in it does not lead out.
func openLayout(dir, name string) (images []incoming, done func() error, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, plainPathError(err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, root.Close())
		}
	}()
	f, err := root.Open(imgspecv1.ImageIndexFile)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", imgspecv1.ImageIndexFile, plainPathError(err))
	}
	defer f.Close()
	index, err := readIndex(f)
	if err != nil {
		return nil, nil, err
	}
	reader := layout.NewReaderWithRoot(root)
	for i := range index.Manifests {
		one, err := layoutImage(reader, dir, i, index.Manifests[i])
		if err != nil {
			return nil, nil, err
		}
		if name == "" || isCalled(index.Manifests[i], name) {
			images = append(images, one)
		}
	}
	if len(images) == 0 {
		return nil, nil, fmt.Errorf("there is no image in it that is called %q; index.json has %d", name, len(index.Manifests))
	}
	return images, root.Close, nil
}

// readIndex reads index.json.
func readIndex(r io.Reader) (*imgspecv1.Index, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxIndex+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", imgspecv1.ImageIndexFile, plainPathError(err))
	}
	if len(text) > maxIndex {
		return nil, fmt.Errorf("%s: larger than %d bytes", imgspecv1.ImageIndexFile, maxIndex)
	}
	index := &imgspecv1.Index{}
	if err := json.Unmarshal(text, index); err != nil {
		return nil, fmt.Errorf("%s: %w", imgspecv1.ImageIndexFile, err)
	}
	if len(index.Manifests) == 0 {
		return nil, fmt.Errorf("%s: there is no image in it", imgspecv1.ImageIndexFile)
	}
	return index, nil
}

// containerdName is the annotation in which containerd, and with it docker, keeps the whole name; the one of the OCI then
// only has the tag.
const containerdName = "io.containerd.image.name"

func isCalled(d imgspecv1.Descriptor, name string) bool {
	return d.Annotations[imgspecv1.AnnotationRefName] == name || d.Annotations[containerdName] == name
}

func layoutImage(reader *layout.Reader, dir string, i int, d imgspecv1.Descriptor) (incoming, error) {
	from, err := reader.NewIndexReference(dir, i)
	one := incoming{from: from, what: d.Digest.String()}
	for _, annotation := range []string{containerdName, imgspecv1.AnnotationRefName} {
		// The specification lets it be anything; what cannot be a name is none.
		if named, err := localName(d.Annotations[annotation]); err == nil {
			one.names, one.what = []reference.Named{named}, named.String()
			break
		}
	}
	return one, err
}

// layoutFile is a file that belongs to an OCI layout (image layout specification). Anything else in an archive is left out.
var layoutFile = regexp.MustCompile(`^(oci-layout|index\.json|blobs/[a-z0-9]+/[0-9a-f]{32,128})$`)

// unpackLayout takes the files of an OCI layout out of a tar file. No entry can name a place outside the directory, and
// none becomes anything but a regular file.
func unpackLayout(file, dir string) error {
	f, err := os.Open(file)
	if err != nil {
		return plainPathError(err)
	}
	defer f.Close()
	entries := tar.NewReader(f)
	for {
		header, err := entries.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the archive: %w", err)
		}
		name := path.Clean(header.Name)
		if header.Typeflag != tar.TypeReg || !layoutFile.MatchString(name) {
			continue
		}
		if err := unpackFile(entries, filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("unpack %s: %w", name, plainPathError(err))
		}
	}
}

func unpackFile(r io.Reader, to string) (err error) {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // O_EXCL: no name comes twice
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = io.Copy(f, r)
	return err
}
