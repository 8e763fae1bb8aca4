package image

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	istorage "go.podman.io/image/v5/storage"
)

// Details are all that is known of an image.
type Details struct {
	*Image
	Full         imgspecv1.Image // the whole configuration
	Healthcheck  json.RawMessage // of the configuration, where docker keeps it and the OCI does not; nil if there is none
	RepoDigests  []string        // REPOSITORY@DIGEST for each repository that it has a name of
	ManifestType string
	DiffIDs      []digest.Digest // of the layers, the lowest first
}

// Inspect finds an image as Get does and reads all about it.
func (s *Store) Inspect(ctx context.Context, ref string) (*Details, error) {
	image, err := s.Get(ref)
	if err != nil {
		return nil, err
	}
	details, err := s.details(ctx, image)
	if err != nil {
		return nil, fmt.Errorf("inspect image %q: %w", ref, err)
	}
	return details, nil
}

func (s *Store) details(ctx context.Context, image *Image) (*Details, error) {
	ref, err := istorage.Transport.NewStoreReference(s.storage, nil, image.ID)
	if err != nil {
		return nil, err
	}
	source, err := ref.NewImage(ctx, s.system)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	config, err := source.OCIConfig(ctx)
	if err != nil {
		return nil, err
	}
	text, err := source.ConfigBlob(ctx)
	if err != nil {
		return nil, err
	}
	var more struct {
		Config struct{ Healthcheck json.RawMessage }
	}
	if err := json.Unmarshal(text, &more); err != nil {
		return nil, err
	}
	_, manifestType, err := source.Manifest(ctx)
	return &Details{
		Image: image, Full: *config, Healthcheck: more.Config.Healthcheck, ManifestType: manifestType,
		DiffIDs: config.RootFS.DiffIDs, RepoDigests: image.RepoDigests(),
	}, err
}

// RepoDigests are REPOSITORY@DIGEST for each repository that the image has a name of.
func (i *Image) RepoDigests() []string {
	var list []string
	for _, name := range i.Names {
		one := repositoryOfFull(name) + "@" + i.Digest.String()
		if i.Digest != "" && !slices.Contains(list, one) {
			list = append(list, one)
		}
	}
	return list
}

// NameFor is the one of the image's names that a reference stands for, else its first name; "" if it has none.
func (i *Image) NameFor(ref string) string {
	if len(i.Names) == 0 {
		return ""
	}
	named, err := ParseReference(TrimDocker(ref))
	if err != nil {
		return i.Names[0]
	}
	whole := withoutTagIfDigested(named).String()
	if slices.Contains(i.Names, whole) {
		return whole
	}
	tail := "/" + strings.TrimPrefix(strings.TrimPrefix(whole, "docker.io/"), "library/")
	for _, name := range i.Names {
		if isShort(TrimDocker(ref)) && strings.HasSuffix(name, tail) {
			return name
		}
	}
	return i.Names[0]
}
