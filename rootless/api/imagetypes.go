package api

import (
	"encoding/json"
	"time"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image describes one image of the store.
type Image struct {
	ID      string
	Names   []string // fully qualified, with tag
	Digest  string
	Size    int64 // bytes of all layers, unpacked
	Created time.Time
	Labels  map[string]string `json:",omitempty"`
}

// ImageDetails describes one image in the shape of `docker image inspect`, as far as the two agree.
type ImageDetails struct {
	Id           string //nolint:revive,staticcheck // docker's word, which templates of users have
	RepoTags     []string
	RepoDigests  []string
	Digest       string // of the manifest
	Comment      string
	Created      time.Time
	Author       string
	Config       ImageConfig
	Architecture string
	Variant      string `json:",omitempty"`
	Os           string //nolint:revive // docker's word
	Size         int64  // bytes of all layers, unpacked
	VirtualSize  int64  // the same
	GraphDriver  GraphDriver
	RootFS       RootFS
	Labels       map[string]string
	ManifestType string
	History      []imgspecv1.History
}

// ID is the id, for templates that spell it so.
func (d *ImageDetails) ID() string { return d.Id }

// ImageConfig is what containers get from an image.
type ImageConfig struct {
	imgspecv1.ImageConfig
	Healthcheck json.RawMessage `json:",omitempty"`
}

// GraphDriver tells where the layers are.
type GraphDriver struct {
	Name string
	Data map[string]string // UpperDir: the uppermost layer; LowerDir: the others, from the top
}

// RootFS are the digests of the layers, unpacked, the lowest first.
type RootFS struct {
	Type   string
	Layers []string
}

// Credentials go before what the user's files have. Empty: as these say.
type Credentials struct {
	Username string `json:",omitempty"`
	Password string `json:",omitempty"`
}

// PullRequest asks for an image.
type PullRequest struct {
	Reference string // a name, docker://NAME, or a place such as docker-archive:/FILE
	Platform  string `json:",omitempty"` // OS/ARCH[/VARIANT]; empty: the node's
	Insecure  bool   `json:",omitempty"` // HTTP and unknown certificates are fine
	Credentials
}

// PushRequest sends an image.
type PushRequest struct {
	Reference   string
	Destination string `json:",omitempty"` // a name or a place; empty: Reference
	Insecure    bool   `json:",omitempty"`
	Credentials
}

// SaveRequest asks for images in one of the formats docker-archive, oci-archive (as a stream), oci, dir (as a Directory).
type SaveRequest struct {
	References []string
	Format     string
	Directory  string
}

// TagRequest gives Names to an image, or with Remove takes them from it (all if there are none).
type TagRequest struct {
	Reference string
	Names     []string
	Remove    bool `json:",omitempty"`
}

// PruneRequest says what to remove: images without a name, or with All those with one too, that all filters admit.
type PruneRequest struct {
	All     bool
	Filters []string
}

// LoadedImage is an image that has arrived in the store, and the name it came by, if any.
type LoadedImage struct {
	Name string `json:",omitempty"`
	ID   string
}

// PushedImage says where an image is now. Digest (of its manifest there) and Size (of that, in bytes) are missing for an archive.
type PushedImage struct {
	Name   string
	Digest string `json:",omitempty"`
	Size   int    `json:",omitempty"`
}

// RemovedImage says which names are gone, and if the image is, its id.
type RemovedImage struct {
	Untagged  []string `json:",omitempty"`
	Deleted   string   `json:",omitempty"`
	Reclaimed int64    `json:",omitempty"` // bytes
}

// PullProgress is one line of a transfer's progress: a layer's digest and how far it is, or a message. The last line has an
// Error, an outcome or both.
type PullProgress struct {
	Message string        `json:",omitempty"`
	Layer   string        `json:",omitempty"`
	Offset  int64         `json:",omitempty"` // bytes done
	Total   int64         `json:",omitempty"` // bytes in all; -1 if unknown
	Done    bool          `json:",omitempty"`
	Error   string        `json:",omitempty"`
	Loaded  []LoadedImage `json:",omitempty"`
	Pushed  *PushedImage  `json:",omitempty"`
}

// PrunedImages is what a prune did, and what it could not do.
type PrunedImages struct {
	Removed []RemovedImage
	Error   string `json:",omitempty"`
}
