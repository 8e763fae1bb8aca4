package image

import (
	"fmt"
	"slices"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/storage"
)

// Tag gives an image more names. A name that another image has moves. Without a registry it becomes localhost/NAME, as with
// podman; Get finds it by the short form.
func (s *Store) Tag(ref string, names []string) error {
	record, _, err := s.find(ref)
	if err != nil {
		return err
	}
	full := make([]string, len(names))
	for i, name := range names {
		named, err := localName(TrimDocker(name))
		if err != nil {
			return err
		}
		if _, digested := named.(reference.Digested); digested {
			return fmt.Errorf("image %q: %w: a digest says what an image is; it cannot be given", name, ErrInvalidReference)
		}
		full[i] = named.String()
	}
	if err := s.storage.AddNames(record.ID, full); err != nil {
		return fmt.Errorf("tag image %q: %w", ref, err)
	}
	return nil
}

// Untag takes names from an image, all that it has if none is given. The image stays.
func (s *Store) Untag(ref string, names []string) error {
	record, _, err := s.find(ref)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return s.removeNames(record, record.Names)
	}
	var full []string
	for _, name := range names {
		other, found, err := s.find(name)
		if err != nil {
			return err
		}
		if other.ID != record.ID || !slices.Contains(record.Names, found) {
			return fmt.Errorf("image %q: %s is not a name of it", ref, name)
		}
		full = append(full, found)
	}
	return s.removeNames(record, full)
}

func (s *Store) removeNames(record *storage.Image, names []string) error {
	if len(names) == 0 {
		return nil
	}
	if err := s.storage.RemoveNames(record.ID, names); err != nil {
		return fmt.Errorf("remove names of image %s: %w", displayName(record), err)
	}
	return nil
}
