package image

import (
	"errors"
	"fmt"

	"go.podman.io/storage"
)

// Remove takes a name away from an image, and removes the image with the layers that no other image shares once it has no
// name left. Given an id it removes the image with all its names. The error is ErrNotFound if there is no such image, and
// ErrInUse if a container of podman or buildah is made of it.
func (s *Store) Remove(ref string) error {
	record, name, err := s.find(ref)
	if err != nil {
		return err
	}
	if name != "" && len(record.Names) > 1 {
		if err := s.storage.RemoveNames(record.ID, []string{name}); err != nil {
			return fmt.Errorf("remove name %s: %w", name, err)
		}
		return nil
	}
	switch _, err := s.storage.DeleteImage(record.ID, true); {
	case errors.Is(err, storage.ErrImageUsedByContainer):
		return fmt.Errorf("remove image %s: %w; remove the container first (`podman ps -a --storage` lists it)",
			displayName(record), ErrInUse)
	case errors.Is(err, storage.ErrImageUnknown):
		return fmt.Errorf("image %q: %w", ref, ErrNotFound) // somebody was faster
	case err != nil:
		return fmt.Errorf("remove image %s: %w", displayName(record), err)
	}
	return nil
}
