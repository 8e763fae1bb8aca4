package image

import (
	"errors"
	"fmt"
	"time"

	"go.podman.io/storage"
)

// orphanAge is how long the layers of a pull that was not finished wait for it to be tried again.
const orphanAge = 24 * time.Hour

// removeOrphans removes layers of ours that no image, container or other layer is made of, if they are at least that old:
// they are left of pulls that were not finished. While an image arrives it removes nothing.
func (s *Store) removeOrphans(age time.Duration) error {
	if !s.arriving.TryLock() {
		return nil
	}
	defer s.arriving.Unlock()
	for {
		removed, err := s.removeLeaves(age)
		if err != nil || removed == 0 {
			return err
		}
	}
}

// removeLeaves removes the uppermost layers among orphans, which makes others uppermost.
func (s *Store) removeLeaves(age time.Duration) (removed int, err error) {
	layers, err := s.storage.Layers()
	if err != nil {
		return 0, fmt.Errorf("list layers: %w", err)
	}
	images, err := s.storage.Images()
	if err != nil {
		return 0, fmt.Errorf("list images: %w", err)
	}
	used := map[string]bool{}
	for _, i := range images {
		used[i.TopLayer] = true
	}
	for _, l := range layers {
		used[l.Parent] = true
	}
	for _, l := range layers {
		if used[l.ID] || l.Flags[layerFlag] == nil || time.Since(l.Created) < age {
			continue
		}
		// What has come to be used since we looked, the library refuses to remove.
		err := s.storage.DeleteLayer(l.ID)
		switch {
		case err == nil:
			removed++
		case errors.Is(err, storage.ErrLayerUnknown), errors.Is(err, storage.ErrLayerHasChildren),
			errors.Is(err, storage.ErrLayerUsedByImage), errors.Is(err, storage.ErrLayerUsedByContainer):
		default:
			return removed, fmt.Errorf("remove layer %s: %w", l.ID, err)
		}
	}
	return removed, nil
}
