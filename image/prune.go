package image

import (
	"context"
	"errors"
)

// PruneOptions say what Prune removes: without All, images without a name; of these, those that Filter admits.
type PruneOptions struct {
	All    bool
	Filter Filter
	// Guard stands between an image and its deletion. nil: nobody does.
	Guard Guard
}

// Prune removes images that no container is made of. An image that is used, by whomever, is passed over in silence. When
// ctx ends, what has been removed is returned with the context's error; so it is when images could not be removed.
func (s *Store) Prune(ctx context.Context, o PruneOptions) ([]Removed, error) {
	list, err := s.Select(o.Filter)
	if err != nil {
		return nil, err
	}
	var all []Removed
	var failed []error
	for i := range list {
		if err := ctx.Err(); err != nil {
			return all, err
		}
		if len(list[i].Names) > 0 && !o.All {
			continue
		}
		removed, err := s.pruneOne(&list[i], o)
		switch {
		case err == nil && removed != nil:
			all = append(all, *removed)
		case err != nil && !errors.Is(err, ErrInUse) && !errors.Is(err, ErrNotFound):
			failed = append(failed, err)
		}
	}
	return all, errors.Join(failed...)
}

// pruneOne looks again: an image may have got a name since it was listed.
func (s *Store) pruneOne(image *Image, o PruneOptions) (*Removed, error) {
	record, _, err := s.find(image.ID)
	if err != nil {
		return nil, err
	}
	if len(record.Names) > 0 && !o.All {
		return nil, nil
	}
	return s.remove(record, o.Guard)
}
