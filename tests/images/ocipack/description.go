package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// description is image.json.
type description struct {
	Name   string                `json:"name"`   // NAME:TAG, short
	Config imgspecv1.ImageConfig `json:"config"` // ${version:PACKAGE} in Env stands for a package's upstream version
	// MergeUsr moves what packages have in /bin, /sbin and /lib* to /usr.
	MergeUsr bool               `json:"mergeUsr"`
	Layers   []layerDescription `json:"layers"` // the lowest first
	// Compression of the layers: gzip (the default) or zstd.
	Compression string `json:"compression"`
	// From is the directory of another description, relative to this one's: its layers lie below, and what is not said here
	// is as it is there.
	From       string `json:"from"`
	FromLayers int    `json:"fromLayers"` // only so many of those layers, the lowest; 0: all
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

	dir string // of the description
}

func readDescription(dir string) (*description, error) {
	name := filepath.Join(dir, "image.json")
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read description: %w", err)
	}
	d := &description{}
	if err := decode(text, d); err != nil {
		return nil, fmt.Errorf("read description %s: %w", name, err)
	}
	for i := range d.Layers {
		d.Layers[i].dir = dir
	}
	if d.From == "" {
		return d, nil
	}
	below, err := readDescription(filepath.Join(dir, d.From))
	if err != nil {
		return nil, err
	}
	return d.over(below, text)
}

// over puts a description, whose text is given too, over the one it is made from.
func (d *description) over(below *description, text []byte) (*description, error) {
	layers := below.Layers
	if d.FromLayers > 0 {
		if d.FromLayers > len(layers) {
			return nil, fmt.Errorf("%s: wants %d layers of %s, which has %d", d.Name, d.FromLayers, d.From, len(layers))
		}
		layers = layers[:d.FromLayers]
	}
	both := *below
	both.Layers = nil // or decode would write into the layers below
	err := decode(text, &both)
	both.Layers = slices.Concat(layers, d.Layers)
	return &both, err
}

func decode(text []byte, d *description) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	return decoder.Decode(d)
}
