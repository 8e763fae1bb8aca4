package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// description is image.json.
type description struct {
	Name   string                `json:"name"`   // NAME:TAG, short
	Config imgspecv1.ImageConfig `json:"config"` // ${version:PACKAGE} in Env stands for a package's upstream version
	// MergeUsr moves what packages have in /bin, /sbin and /lib* to /usr.
	MergeUsr bool               `json:"mergeUsr"`
	Layers   []layerDescription `json:"layers"` // the lowest first

	dir string
}

// layerDescription says what is in a layer. Paths have no leading slash. What comes later in this list wins.
type layerDescription struct {
	Comment     string            `json:"comment"`
	Packages    []string          `json:"packages"`    // in this order
	Without     []string          `json:"without"`     // path.Match patterns; a directory goes with all that is below
	Files       string            `json:"files"`       // directory beside image.json; owned by root, 0644 or 0755
	Applets     string            `json:"applets"`     // a busybox binary; hard links for its applets go beside it
	Directories map[string]string `json:"directories"` // path → octal mode
	Modes       map[string]string `json:"modes"`       // path → octal mode
	Links       map[string]string `json:"links"`       // path → target of a symbolic link
	Owners      map[string][2]int `json:"owners"`      // path → uid, gid
	Whiteouts   []string          `json:"whiteouts"`   // paths of lower layers to delete
	Opaque      []string          `json:"opaque"`      // directories whose content in lower layers is hidden
}

func readDescription(dir string) (*description, error) {
	name := filepath.Join(dir, "image.json")
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read description: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	d := &description{dir: dir}
	if err := decoder.Decode(d); err != nil {
		return nil, fmt.Errorf("read description %s: %w", name, err)
	}
	return d, nil
}
