package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/reference"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/storage"
)

// Image is one image of the store. Its slices and maps are shared between callers: read only.
type Image struct {
	ID      string        // 64 hexadecimal digits: the configuration's SHA-256
	Names   []string      // full names with tag or digest; an image that lost its name to a newer one has none
	Digest  digest.Digest // of the manifest
	Size    int64         // bytes of all layers unpacked, and of the image's metadata
	Created time.Time     // as the image says; zero if it does not
	Config  imgspecv1.ImageConfig
	Lowers  []string // directories of the layers, uppermost first: what overlay's lowerdir wants
}

// Get finds an image by name (short ones too), by NAME@DIGEST, by id (with or without "sha256:") or by the first digits
// of an id. A name goes before an id. The error is ErrNotFound if there is none.
func (s *Store) Get(ref string) (*Image, error) {
	record, _, err := s.find(ref)
	if err != nil {
		return nil, err
	}
	return s.load(record)
}

// List returns all images, named ones first, ordered by name. An image whose data is damaged is left out; the log
// says so.
func (s *Store) List() ([]Image, error) {
	records, err := s.storage.Images()
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	list := make([]Image, 0, len(records))
	for i := range records {
		image, err := s.load(&records[i])
		if err != nil {
			slog.Warn("image left out of the list", "error", err)
			continue
		}
		list = append(list, *image)
	}
	slices.SortFunc(list, func(a, b Image) int {
		return cmp.Or(
			cmp.Compare(min(1, len(b.Names)), min(1, len(a.Names))),
			slices.Compare(a.Names, b.Names),
			strings.Compare(a.ID, b.ID))
	})
	return list, nil
}

// find returns the record of an image, and the full name by which it was found, or "" if that was an id. It always asks
// the storage library, which reads its files again when another process has written them.
func (s *Store) find(ref string) (*storage.Image, string, error) {
	if id := strings.TrimPrefix(ref, "sha256:"); isHex(id) && len(id) == 64 { // never a name: they are reserved for ids
		if record := s.findByID(id); record != nil {
			return record, "", nil
		}
		return nil, "", fmt.Errorf("image %q: %w", ref, ErrNotFound)
	}
	names, err := candidates(s.system, ref, inStore)
	if err != nil {
		return nil, "", err
	}
	for _, name := range names {
		record, err := s.findByName(name)
		if record != nil || err != nil {
			return record, name.String(), err
		}
	}
	if record := s.findByID(ref); record != nil {
		return record, "", nil
	}
	return nil, "", fmt.Errorf("image %q: %w", ref, ErrNotFound)
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

// findByID looks for an id, or the only id that begins like this. nil if there is none; fewer than three digits are
// nobody's way of naming an image.
func (s *Store) findByID(id string) *storage.Image {
	if len(id) < 3 || !isHex(id) {
		return nil
	}
	record, err := s.storage.Image(id)
	if err != nil || !strings.HasPrefix(record.ID, id) {
		return nil
	}
	return record
}

// findByName returns nil without an error if there is no such image.
func (s *Store) findByName(name reference.Named) (*storage.Image, error) {
	record, err := s.storage.Image(name.String())
	if err == nil && slices.Contains(record.Names, name.String()) {
		return record, nil
	}
	if err != nil && !errors.Is(err, storage.ErrImageUnknown) {
		return nil, fmt.Errorf("find image %s: %w", name, err)
	}
	if _, digested := name.(reference.Digested); !digested {
		return nil, nil
	}
	// The image may have been pulled by tag: compare manifests' digests among those of the same repository.
	ref, err := istorage.Transport.NewStoreReference(s.storage, name, "")
	if err != nil {
		return nil, fmt.Errorf("find image %s: %w", name, err)
	}
	_, record, err = istorage.ResolveReference(ref)
	if errors.Is(err, istorage.ErrNoSuchImage) {
		return nil, nil
	}
	return record, err
}

// cache keeps what has to be read from several files. An id stands for a configuration, and the uppermost layer's id for
// the chain below it, so entries never become wrong; they only become useless.
type cache struct {
	mu   sync.Mutex
	byID map[cacheKey]*Image
}

type cacheKey struct{ id, topLayer string }

// cacheLimit bounds the memory: an entry takes a few kilobytes.
const cacheLimit = 128

// load turns a record into an Image.
func (s *Store) load(record *storage.Image) (*Image, error) {
	key := cacheKey{record.ID, record.TopLayer}
	s.cache.mu.Lock()
	known := s.cache.byID[key]
	s.cache.mu.Unlock()
	if known == nil {
		var err error
		if known, err = s.read(record); err != nil {
			return nil, fmt.Errorf("read image %s: %w", displayName(record), err)
		}
		s.cache.put(key, known)
	}
	image := *known
	image.Names, image.Digest = record.Names, record.Digest // these may change while the id stays
	return &image, nil
}

func (c *cache) put(key cacheKey, image *Image) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byID == nil || len(c.byID) >= cacheLimit {
		c.byID = map[cacheKey]*Image{}
	}
	c.byID[key] = image
}

// read collects the parts of an Image that its id determines.
func (s *Store) read(record *storage.Image) (*Image, error) {
	ref, err := istorage.Transport.NewStoreReference(s.storage, nil, record.ID)
	if err != nil {
		return nil, err
	}
	source, err := ref.NewImage(context.Background(), s.system)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	config, err := source.OCIConfig(context.Background())
	if err != nil {
		return nil, err
	}
	size, err := source.Size()
	if err != nil {
		return nil, err
	}
	image := &Image{ID: record.ID, Size: size, Config: config.Config}
	if config.Created != nil {
		image.Created = *config.Created
	}
	image.Lowers, err = s.lowers(record.TopLayer)
	return image, err
}

// lowers walks from the uppermost layer down. The driver knows in which of possibly several stores a layer is.
func (s *Store) lowers(layer string) ([]string, error) {
	driver, err := s.storage.GraphDriver()
	if err != nil {
		return nil, err
	}
	var list []string
	for layer != "" {
		where, err := driver.Metadata(layer)
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", layer, err)
		}
		list = append(list, where["UpperDir"])
		record, err := s.storage.Layer(layer)
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", layer, err)
		}
		layer = record.Parent
	}
	return list, nil
}

// displayName is what to call an image in an error.
func displayName(record *storage.Image) string {
	if len(record.Names) > 0 {
		return record.Names[0]
	}
	return record.ID[:min(12, len(record.ID))]
}
