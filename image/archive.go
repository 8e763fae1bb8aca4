package image

import (
	"archive/tar"
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"go.podman.io/image/v5/pkg/compression"
)

// archiveKind is what a tar file holds.
type archiveKind int

const (
	noArchive archiveKind = iota
	dockerArchive
	ociArchive
)

func (k archiveKind) transport() string {
	return [...]string{"", DockerArchive, OCIArchive}[k]
}

// archiveFile is an archive that can be read again and again.
type archiveFile struct {
	path  string
	kind  archiveKind
	given bool // path is the user's file; otherwise it is in the scratch directory
}

func (a *archiveFile) close() error {
	if a.given {
		return nil
	}
	return os.Remove(a.path)
}

// Bounds of what a stranger's archive may be.
const (
	// maxEntries is far above what any image needs (a file per layer, and a few).
	maxEntries = 100_000
	// A compressed archive may be expansion times as large once it is not, but for the first bytes. Layers of real images
	// come to 2 to 20; gzip itself ends at 1032.
	freeExpansion = 1 << 30
	expansion     = 250
)

// openArchive reads a file where it is if it is not compressed, else a copy of it.
func (s *Store) openArchive(ctx context.Context, f *os.File) (*archiveFile, error) {
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, plainPathError(err)
	case info.IsDir():
		return nil, errors.New("it is a directory; name it as oci:DIRECTORY or dir:DIRECTORY")
	case !info.Mode().IsRegular():
		return s.spool(ctx, f)
	}
	decompress, _, err := compression.DetectCompression(f)
	if err != nil {
		return nil, archiveError(ctx, err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, plainPathError(err)
	}
	if decompress != nil {
		return s.spool(ctx, f)
	}
	kind, err := survey(f) // which skips by seeking
	if err != nil {
		return nil, archiveError(ctx, err)
	}
	return &archiveFile{path: f.Name(), kind: kind, given: true}, nil
}

// spool writes an archive, no longer compressed, into the scratch directory while it finds out what it is. It gives up at
// the first byte that cannot be.
func (s *Store) spool(ctx context.Context, r io.Reader) (_ *archiveFile, err error) {
	compressed := &tally{r: &withContext{ctx, r}}
	plain, isCompressed, err := compression.AutoDecompress(bufio.NewReaderSize(compressed, 1<<16))
	if err != nil {
		return nil, archiveError(ctx, err)
	}
	defer plain.Close()
	f, err := os.CreateTemp(s.scratch.Name(), "archive-")
	if err != nil {
		return nil, fmt.Errorf("make a scratch file: %w", err)
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	var from io.Reader = plain
	if isCompressed {
		from = &bounded{r: plain, compressed: compressed}
	}
	disk := &diskWriter{f}
	kind, err := survey(io.TeeReader(from, disk))
	if err != nil {
		return nil, archiveError(ctx, err)
	}
	// A decompressor checks its sums at the end, which is after the end of the tar.
	if n, err := io.Copy(io.Discard, io.LimitReader(from, 1<<20)); err != nil || n == 1<<20 {
		return nil, archiveError(ctx, cmp.Or(err, refusef("something follows the archive's end")))
	}
	return &archiveFile{path: f.Name(), kind: kind}, nil
}

// survey reads a tar file to its end and says what it is. Whatever is in it is only looked at, by name: a file manifest.json
// makes it a docker-archive (also beside an OCI layout, as docker 25 and later write both: only there are the images'
// names), else index.json an OCI layout.
func survey(r io.Reader) (archiveKind, error) {
	var docker, oci, legacy bool
	entries := tar.NewReader(r)
	for n := 0; ; n++ {
		header, err := entries.Next()
		if err == io.EOF && n == 0 {
			return noArchive, refusal("it is no image archive: it is empty")
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return noArchive, err
		}
		if n == maxEntries {
			return noArchive, refusef("it is no image archive: more than %d files", maxEntries)
		}
		switch path.Clean(header.Name) {
		case "manifest.json":
			docker = true
		case "index.json":
			oci = true
		case "repositories":
			legacy = true
		}
	}
	switch {
	case docker:
		return dockerArchive, nil
	case oci:
		return ociArchive, nil
	case legacy:
		return noArchive, refusal("it was saved by a docker older than 1.10, which cannot be read; load it into a newer one and save it again")
	}
	return noArchive, refusal("it is no image archive: it has neither manifest.json (docker-archive) nor index.json (oci-archive)")
}
