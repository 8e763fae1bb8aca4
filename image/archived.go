package image

import (
	"context"
	"path/filepath"

	ociarchive "go.podman.io/image/v5/oci/archive"
	"go.podman.io/image/v5/types"
)

// archivedReference is an image of an oci-archive whose files we unpacked. The library has a reader for these too, but it
// unpacks whatever a stranger put into the archive. To policy.json the image is what it was: one from an oci-archive.
type archivedReference struct {
	types.ImageReference // in the unpacked layout
	archive              *archiveFile
}

func (r *archivedReference) Transport() types.ImageTransport { return ociarchive.Transport }

// file is the archive's path without symbolic links, as scopes of policy.json have it; empty for a stream.
func (r *archivedReference) file() string {
	if !r.archive.given {
		return ""
	}
	resolved, err := filepath.EvalSymlinks(r.archive.path)
	if err != nil {
		return r.archive.path
	}
	return resolved
}

func (r *archivedReference) PolicyConfigurationIdentity() string { return r.file() }

// PolicyConfigurationNamespaces are the file and the directories above it but for the root, the innermost first.
func (r *archivedReference) PolicyConfigurationNamespaces() []string {
	var scopes []string
	for path := r.file(); path != "" && path != "/"; path = filepath.Dir(path) {
		scopes = append(scopes, path)
	}
	return scopes
}

func (r *archivedReference) NewImageSource(ctx context.Context, system *types.SystemContext) (types.ImageSource, error) {
	source, err := r.ImageReference.NewImageSource(ctx, system)
	if err != nil {
		return nil, err
	}
	return &archivedSource{source, r}, nil
}

// archivedSource tells the policy where its image is from.
type archivedSource struct {
	types.ImageSource
	reference types.ImageReference
}

func (s *archivedSource) Reference() types.ImageReference { return s.reference }
