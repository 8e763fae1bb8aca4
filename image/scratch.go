package image

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"go.podman.io/storage"
)

// scratchName is a directory in the store's root where blobs wait between arriving and being unpacked. Being there they
// are on the store's file system, not on a /tmp that may be memory.
const scratchName = "peapod-scratch"

// openScratch makes the scratch directory of a store and empties it if nobody else uses it: whatever is in it then was
// left by a process that was killed. Using it means holding a shared lock on the returned file.
func openScratch(graphRoot string) (*os.File, error) {
	dir := filepath.Join(graphRoot, scratchName)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make scratch directory: %w", err)
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open scratch directory: %w", err)
	}
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		err = empty(f)
	}
	// Turning an exclusive lock into a shared one lets go of it for a moment (flock(2)). Whoever slips in empties a
	// directory into which we have not written yet.
	if err == nil {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("prepare scratch directory %s: %w", dir, err)
	}
	return f, nil
}

// sweepStaging removes directories of layers whose unpacking was cut off by the death of a process. Each has a lock, so those that
// are in use, by podman for one, stay.
func sweepStaging(s storage.Store) error {
	driver, err := s.GraphDriver()
	if err != nil {
		return err
	}
	// The driver offers this as a part of its end only; the other part, unmounting its directory, is without effect on a
	// driver that was told not to mount it.
	if err := driver.Cleanup(); err != nil {
		return fmt.Errorf("remove what is left of layers in %s: %w", s.GraphRoot(), err)
	}
	return nil
}

func empty(dir *os.File) error {
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := os.RemoveAll(filepath.Join(dir.Name(), name)); err != nil {
			return err
		}
	}
	return nil
}
