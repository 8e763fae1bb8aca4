package image

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// replaceFile has write fill a file beside the one wanted, which takes its place at the end.
func replaceFile(path string, write func(*os.File) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".")
	if err != nil {
		return plainPathError(err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := errors.Join(write(f), f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
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
