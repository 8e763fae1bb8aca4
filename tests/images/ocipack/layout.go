package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// layout is a directory with oci-layout, index.json and blobs/sha256/.
type layout string

func (l layout) path(blob digest.Digest) string {
	return filepath.Join(string(l), "blobs", "sha256", blob.Encoded())
}

// blob stores content and describes it.
func (l layout) blob(mediaType string, content []byte) (imgspecv1.Descriptor, error) {
	sum := digest.FromBytes(content)
	return imgspecv1.Descriptor{MediaType: mediaType, Digest: sum, Size: int64(len(content))}, os.WriteFile(l.path(sum), content, 0o644)
}

func (l layout) json(mediaType string, value any) (imgspecv1.Descriptor, error) {
	content, err := json.Marshal(value)
	if err != nil {
		return imgspecv1.Descriptor{}, err
	}
	return l.blob(mediaType, content)
}

// manifest reads what pack stored: the one image's name and manifest.
func (l layout) manifest() (name string, manifest imgspecv1.Manifest, err error) {
	var index imgspecv1.Index
	if err := readJSON(filepath.Join(string(l), imgspecv1.ImageIndexFile), &index); err != nil {
		return "", manifest, err
	}
	if len(index.Manifests) != 1 || index.Manifests[0].Annotations[imgspecv1.AnnotationRefName] == "" {
		return "", manifest, fmt.Errorf("%s: want one image with a name", imgspecv1.ImageIndexFile)
	}
	err = readJSON(l.path(index.Manifests[0].Digest), &manifest)
	return index.Manifests[0].Annotations[imgspecv1.AnnotationRefName], manifest, err
}

func readJSON(file string, value any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, value); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}
