package image

import (
	"errors"
	"fmt"
	"slices"

	dockerarchive "go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/types"
)

// openDockerArchive lists the images of a docker-archive. The library reads it in place, and takes nothing out of it.
func openDockerArchive(system *types.SystemContext, file, name string) ([]incoming, func() error, error) {
	archive, err := dockerarchive.NewReader(system, file)
	if err != nil {
		return nil, nil, err
	}
	images, err := listDockerArchive(archive, name)
	if err == nil && len(images) == 0 {
		err = errors.New("there is no image in it")
		if name != "" {
			err = fmt.Errorf("there is no image called %s in it", name)
		}
	}
	if err != nil {
		return nil, nil, errors.Join(err, archive.Close())
	}
	return images, archive.Close, nil
}

func listDockerArchive(archive *dockerarchive.Reader, name string) ([]incoming, error) {
	var wanted reference.Named
	if name != "" {
		var err error
		if wanted, err = localName(name); err != nil {
			return nil, err
		}
	}
	groups, err := archive.List()
	if err != nil {
		return nil, err
	}
	var images []incoming
	for i, group := range groups {
		one := incoming{from: group[0], what: fmt.Sprintf("number %d", i+1)}
		for _, ref := range group {
			if ref.DockerReference() == nil {
				continue
			}
			tags, err := archive.ManifestTagsForReference(ref) // as written: the reference has docker.io filled in
			if err != nil {
				return nil, err
			}
			named, err := localName(tags[0])
			if err != nil {
				return nil, err
			}
			if (wanted == nil || wanted.String() == named.String() || name == tags[0]) && !slices.ContainsFunc(one.names, same(named)) {
				one.names = append(one.names, named)
			}
		}
		if wanted != nil && len(one.names) == 0 {
			continue
		}
		if len(one.names) > 0 {
			one.what = one.names[0].String()
		}
		images = append(images, one)
	}
	return images, nil
}

func same(name reference.Named) func(reference.Named) bool {
	return func(other reference.Named) bool { return other.String() == name.String() }
}
