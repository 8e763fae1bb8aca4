package image

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/storage"
)

// Guard runs remove, which deletes an image, unless the image is used: then it returns an *InUse. From asking who uses it
// until remove returns, nobody may begin to use it.
type Guard func(id string, remove func() error) error

// InUse is the ErrInUse of an image that containers are made of.
type InUse struct {
	Image string   // a name of it, or its short id
	Users []string // such as "Pod default/demo"
}

func (e *InUse) Error() string {
	return fmt.Sprintf("image %s is used by %s", e.Image, strings.Join(e.Users, ", "))
}

// Is makes it an ErrInUse.
func (e *InUse) Is(target error) bool { return target == ErrInUse }

// RemoveOptions change how Remove goes about it. The zero value is fine where nobody runs containers.
type RemoveOptions struct {
	// Force takes a name away even from an image that is used, and an id with names of several repositories.
	Force bool
	// Guard stands between an image and its deletion. nil: nobody does.
	Guard Guard
}

// Removed says what Remove did.
type Removed struct {
	Untagged  []string // names taken away
	Deleted   string   // the image's id, if it is gone
	Reclaimed int64    // bytes of layers that are gone, unpacked
}

// Remove takes a name away from an image, and removes the image with the layers that no other image shares once it has no
// name left. Given an id it removes the image with all its names, which must be of one repository unless forced.
//
// The error is ErrNotFound if there is no such image, and ErrInUse if a container is made of it: of ours, as the guard says,
// or of podman or buildah. No force removes such an image; by name it is only untagged.
func (s *Store) Remove(ref string, o RemoveOptions) (*Removed, error) {
	record, name, err := s.find(ref)
	if err != nil {
		return nil, err
	}
	names := namesToRemove(record, name)
	if name != "" && len(names) < len(record.Names) {
		return &Removed{Untagged: names}, s.removeNames(record, names)
	}
	if name == "" && !o.Force && repositories(record.Names) > 1 {
		return nil, fmt.Errorf("image %q: it has names of several repositories (%s); remove it by these, or with -f",
			ref, strings.Join(record.Names, ", "))
	}
	removed, err := s.remove(record, o.Guard)
	if errors.Is(err, ErrInUse) && o.Force && name != "" {
		return &Removed{Untagged: names}, s.removeNames(record, names)
	}
	return removed, err
}

// namesToRemove are the names that a reference means: one, or for REPOSITORY@DIGEST those of the repository, or for an
// id all.
func namesToRemove(record *storage.Image, name string) []string {
	if name == "" {
		return record.Names
	}
	if slices.Contains(record.Names, name) {
		return []string{name}
	}
	repository, _, _ := strings.Cut(name, "@")
	var names []string
	for _, one := range record.Names {
		if repositoryOfFull(one) == repository {
			names = append(names, one)
		}
	}
	return names
}

func repositories(names []string) int {
	seen := map[string]bool{}
	for _, name := range names {
		seen[repositoryOfFull(name)] = true
	}
	return len(seen)
}

// repositoryOfFull cuts tag and digest off a full name.
func repositoryOfFull(name string) string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name // another tool's; it stands for itself
	}
	return named.Name()
}

// remove deletes an image under its guard.
func (s *Store) remove(record *storage.Image, guard Guard) (*Removed, error) {
	if guard == nil {
		guard = func(_ string, remove func() error) error { return remove() }
	}
	removed := &Removed{Untagged: record.Names}
	err := guard(record.ID, func() error {
		if user := s.foreignUser(record.ID); user != "" {
			return &InUse{Users: []string{user}}
		}
		sizes, err := s.layerSizes()
		if err != nil {
			return err
		}
		layers, err := s.storage.DeleteImage(record.ID, true)
		for _, layer := range layers {
			removed.Reclaimed += sizes[layer]
		}
		return err
	})
	var used *InUse
	switch {
	case errors.As(err, &used):
		return nil, &InUse{displayName(record), used.Users}
	case errors.Is(err, storage.ErrImageUsedByContainer):
		return nil, &InUse{displayName(record), []string{"a container of podman or buildah"}}
	case errors.Is(err, storage.ErrImageUnknown):
		return nil, fmt.Errorf("image %s: %w", displayName(record), ErrNotFound) // somebody was faster
	case err != nil:
		return nil, fmt.Errorf("remove image %s: %w", displayName(record), err)
	}
	removed.Deleted = record.ID
	return removed, nil
}

// foreignUser names a container of another tool that is made of an image. Without one it returns "".
func (s *Store) foreignUser(id string) string {
	containers, err := s.storage.Containers()
	if err != nil {
		return "" // DeleteImage meets the same error and tells it
	}
	for i := range containers {
		if containers[i].ImageID != id {
			continue
		}
		name := containers[i].ID[:min(12, len(containers[i].ID))]
		if len(containers[i].Names) > 0 {
			name = containers[i].Names[0]
		}
		return "container " + name + " of podman or buildah (`podman ps -a --external` lists it)"
	}
	return ""
}

// layerSizes are the bytes of all layers, unpacked.
func (s *Store) layerSizes() (map[string]int64, error) {
	layers, err := s.storage.Layers()
	if err != nil {
		return nil, fmt.Errorf("list layers: %w", err)
	}
	sizes := make(map[string]int64, len(layers))
	for i := range layers {
		sizes[layers[i].ID] = max(0, layers[i].UncompressedSize) // -1 if nobody counted
	}
	return sizes, nil
}
