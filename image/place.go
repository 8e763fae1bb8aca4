package image

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Place is where an image is, or is to go, other than the store and a registry: a file or a directory. It is written as
// podman and skopeo do (containers-transports(5)):
//
//	docker-archive:FILE[:NAME]     what `docker save` writes: one or several images
//	oci-archive:FILE[:REF]         an OCI layout in a tar file
//	oci:DIRECTORY[:REF]            an OCI layout
//	dir:DIRECTORY                  the manifest and the blobs of one image
type Place struct {
	Transport string // the word before the first colon
	Path      string
	Name      string // which of the images there; empty: all of them
}

// The transports of a Place.
const (
	DockerArchive = "docker-archive"
	OCIArchive    = "oci-archive"
	OCILayout     = "oci"
	Directory     = "dir"
)

// ParsePlace reads a place. What does not begin with a transport is none: ok is false, and it is an image's name;
// docker:// in front of a name, which says that it is one, is to be taken off by TrimDocker.
func ParsePlace(s string) (p Place, ok bool, err error) {
	transport, rest, found := strings.Cut(s, ":")
	if !found {
		return Place{}, false, nil
	}
	switch transport {
	case DockerArchive, OCIArchive, OCILayout:
		path, name, _ := strings.Cut(rest, ":")
		p = Place{Transport: transport, Path: path, Name: name}
	case Directory:
		p = Place{Transport: transport, Path: rest}
	default:
		return Place{}, false, nil
	}
	if p.Path == "" {
		return Place{}, true, fmt.Errorf("%s: no path after the colon", s)
	}
	return p, true, nil
}

// TrimDocker takes docker:// off an image's name.
func TrimDocker(s string) string { return strings.TrimPrefix(s, "docker://") }

// Absolute makes the path an absolute one, for another process.
func (p Place) Absolute() (Place, error) {
	path, err := filepath.Abs(p.Path)
	if err == nil && strings.Contains(path, ":") && p.Transport != Directory {
		err = fmt.Errorf("%s: the directory has a colon in its name (%s), which ends the path here", p, path)
	}
	p.Path = path
	return p, err
}

func (p Place) String() string {
	s := p.Transport + ":" + p.Path
	if p.Name != "" {
		s += ":" + p.Name
	}
	return s
}
