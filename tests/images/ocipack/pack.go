package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// pack makes an image layout (OCI image specification, image-layout.md) with one image in it and returns the digest of
// its manifest. It is made beside its place and moved there, so it is whole or not there.
func pack(d *description, debs, to string) (digest.Digest, error) {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return "", err
	}
	scratch, err := os.MkdirTemp(filepath.Dir(to), ".packing-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(scratch)
	if err := os.Chmod(scratch, 0o755); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Join(scratch, "blobs", "sha256"), 0o755); err != nil {
		return "", err
	}
	manifest, err := writeImage(d, debs, layout(scratch))
	if err != nil {
		return "", err
	}
	if err := os.RemoveAll(to); err != nil {
		return "", err
	}
	return manifest, os.Rename(scratch, to)
}

func writeImage(d *description, debs string, l layout) (digest.Digest, error) {
	image := imgspecv1.Image{
		Platform: imgspecv1.Platform{OS: "linux", Architecture: runtime.GOARCH},
		Config:   d.Config,
		RootFS:   imgspecv1.RootFS{Type: "layers"},
	}
	manifest := imgspecv1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspecv1.MediaTypeImageManifest}
	var created time.Time
	for _, description := range d.Layers {
		content, when, err := build(d, description, debs)
		if err != nil {
			return "", err
		}
		if when.After(created) {
			created = when
		}
		descriptor, diffID, err := l.layer(content, created, d.Compression)
		if err != nil {
			return "", err
		}
		manifest.Layers = append(manifest.Layers, descriptor)
		image.RootFS.DiffIDs = append(image.RootFS.DiffIDs, diffID)
		image.History = append(image.History, imgspecv1.History{Created: &created, CreatedBy: "ocipack", Comment: description.Comment})
	}
	image.Created = &created
	var err error
	if image.Config.Env, err = substituteVersions(d.Config.Env, debs); err != nil {
		return "", err
	}
	if manifest.Config, err = l.json(imgspecv1.MediaTypeImageConfig, image); err != nil {
		return "", err
	}
	return l.finish(d.Name, manifest)
}

// finish writes the manifest and the files by which a layout is entered.
func (l layout) finish(name string, manifest imgspecv1.Manifest) (digest.Digest, error) {
	descriptor, err := l.json(imgspecv1.MediaTypeImageManifest, manifest)
	if err != nil {
		return "", err
	}
	descriptor.Annotations = map[string]string{imgspecv1.AnnotationRefName: name}
	index, err := json.Marshal(imgspecv1.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspecv1.MediaTypeImageIndex,
		Manifests: []imgspecv1.Descriptor{descriptor},
	})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(string(l), imgspecv1.ImageIndexFile), index, 0o644); err != nil {
		return "", err
	}
	version, err := json.Marshal(imgspecv1.ImageLayout{Version: imgspecv1.ImageLayoutVersion})
	if err != nil {
		return "", err
	}
	return descriptor.Digest, os.WriteFile(filepath.Join(string(l), imgspecv1.ImageLayoutFile), version, 0o644)
}

var versionOf = regexp.MustCompile(`\$\{version:([a-z0-9.+-]+)\}`)

// substituteVersions replaces ${version:PACKAGE}. An upstream version is what is between an epoch and the last hyphen
// (deb-version(7)).
func substituteVersions(env []string, debs string) ([]string, error) {
	var result []string
	var failed error
	for _, variable := range env {
		result = append(result, versionOf.ReplaceAllStringFunc(variable, func(match string) string {
			version, err := packageVersion(versionOf.FindStringSubmatch(match)[1], debs)
			if err != nil {
				failed = err
			}
			return version
		}))
	}
	return result, failed
}

func packageVersion(name, debs string) (string, error) {
	file, err := debFile(name, debs)
	if err != nil {
		return "", err
	}
	full, err := exec.Command("dpkg-deb", "--field", file, "Version").Output()
	if err != nil {
		return "", fmt.Errorf("version of %s: %w", file, err)
	}
	version := strings.TrimSpace(string(full))
	if _, after, found := strings.Cut(version, ":"); found {
		version = after
	}
	if hyphen := strings.LastIndexByte(version, '-'); hyphen > 0 {
		version = version[:hyphen]
	}
	return version, nil
}
