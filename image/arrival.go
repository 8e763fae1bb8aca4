package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/pkg/blobinfocache/memory"
	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/signature"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage"
)

// arrival is one image on its way into the store: first what it claims to be (manifest, policy, configuration), then its
// layers, all at once, at last its record.
type arrival struct {
	store     *Store
	system    *types.SystemContext
	from      types.ImageReference
	name      reference.Named // nil: the id only
	admission *signature.PolicyContext
	signed    bool // policy.json asks for signatures: they are to be kept
	report    func(Progress)

	source   types.ImageSource
	top      types.UnparsedImage // what the reference leads to; an index, or the manifest itself
	manifest []byte              // of this platform's image
	config   types.BlobInfo
	content  []byte // of config
	layers   []layer
}

// run returns the image's record, or *otherwise if the library has to do it.
func (a *arrival) run(ctx context.Context) (_ *storage.Image, err error) {
	if err := retry(ctx, func() (err error) {
		a.source, err = a.from.NewImageSource(ctx, a.system)
		return err
	}); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.source.Close()) }()
	if err := retry(ctx, func() error { return a.announce(ctx) }); err != nil {
		return nil, err
	}
	if err := a.bringLayers(ctx); err != nil {
		return nil, err
	}
	if a.signed {
		return a.finishSigned(ctx)
	}
	return a.finish(ctx)
}

// announce reads manifest and configuration, and asks the policy before it believes any of it.
func (a *arrival) announce(ctx context.Context) error {
	top := image.UnparsedInstance(a.source, nil)
	a.top = top
	instance, err := a.instance(ctx, top)
	if err != nil {
		return err
	}
	if _, err := a.admission.IsRunningImageAllowed(ctx, instance); err != nil {
		return err
	}
	parsed, err := image.FromUnparsedImage(ctx, a.system, instance)
	if err != nil {
		return err
	}
	var kind string
	if a.manifest, kind, err = parsed.Manifest(ctx); err != nil {
		return err
	}
	if kind != manifest.DockerV2Schema2MediaType && kind != "application/vnd.oci.image.manifest.v1+json" {
		return &otherwise{"its manifest is of type " + kind}
	}
	if err := a.matchesName(ctx); err != nil {
		return err
	}
	a.config = parsed.ConfigInfo()
	if a.content, err = parsed.ConfigBlob(ctx); err != nil {
		return err
	}
	a.layers, err = chain(parsed.LayerInfos(), a.content)
	return err
}

// instance chooses the image of the wanted platform if the reference leads to an index.
func (a *arrival) instance(ctx context.Context, top *image.UnparsedImage) (*image.UnparsedImage, error) {
	content, kind, err := top.Manifest(ctx)
	if err != nil {
		return nil, err
	}
	if !manifest.MIMETypeIsMultiImage(kind) {
		return top, nil
	}
	list, err := manifest.ListFromBlob(content, kind)
	if err != nil {
		return nil, fmt.Errorf("read index: %w", err)
	}
	chosen, err := list.ChooseInstance(a.system)
	if err != nil {
		return nil, err
	}
	return image.UnparsedInstance(a.source, &chosen), nil
}

// matchesName checks that a name with a digest gets what the digest says: the manifest, or the index it was found in.
func (a *arrival) matchesName(ctx context.Context) error {
	digested, ok := a.name.(reference.Digested)
	if !ok {
		return nil
	}
	index, _, err := a.top.Manifest(ctx)
	if err != nil {
		return err
	}
	for _, content := range [][]byte{a.manifest, index} {
		if matches, err := manifest.MatchesDigest(content, digested.Digest()); err != nil || matches {
			return err
		}
	}
	return fmt.Errorf("manifest does not match the digest %s in the name", digested.Digest())
}

// layer is one layer of an image, and its place in the chain.
type layer struct {
	blob       types.BlobInfo
	diffID     digest.Digest // of the uncompressed layer, as the configuration claims
	id, parent string        // as the storage library names chains of layers
	number, of int           // counted from 1
}

// what names the layer in an error.
func (l *layer) what() string {
	return fmt.Sprintf("layer %d of %d (%s)", l.number, l.of, l.blob.Digest)
}

// chain pairs the manifest's blobs with the configuration's diff ids (image-spec, config.md) and computes the ids under
// which the store knows such chains: the first layer's is its diff id, each later one's the digest of "PARENT+DIFFID".
func chain(blobs []types.BlobInfo, config []byte) ([]layer, error) {
	var claims struct {
		RootFS struct {
			DiffIDs []digest.Digest `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := json.Unmarshal(config, &claims); err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	diffIDs := claims.RootFS.DiffIDs
	if len(diffIDs) != len(blobs) {
		return nil, fmt.Errorf("manifest has %d layers, configuration %d", len(blobs), len(diffIDs))
	}
	layers := make([]layer, len(blobs))
	parent := ""
	for i, blob := range blobs {
		if strings.HasSuffix(blob.MediaType, "+encrypted") {
			return nil, &otherwise{"a layer is encrypted"}
		}
		for _, d := range []digest.Digest{blob.Digest, diffIDs[i]} {
			if err := d.Validate(); err != nil || d.Algorithm() != digest.SHA256 {
				return nil, &otherwise{fmt.Sprintf("layer %d has the digest %q", i+1, d)}
			}
		}
		id := diffIDs[i].Encoded()
		if parent != "" {
			id = digest.FromString(parent + "+" + id).Encoded()
		}
		layers[i] = layer{blob: blob, diffID: diffIDs[i], id: id, parent: parent, number: i + 1, of: len(blobs)}
		parent = id
	}
	return layers, nil
}

// finish writes the image's record by the library's own hand, which finds all layers in the store. The name comes last: the
// library, if it were told, would compare a digest in it with this platform's manifest only.
func (a *arrival) finish(ctx context.Context) (*storage.Image, error) {
	id := a.config.Digest.Encoded()
	to, err := istorage.Transport.NewStoreReference(a.store.storage, nil, id)
	if err != nil {
		return nil, err
	}
	if err := a.record(ctx, to); err != nil {
		return nil, err
	}
	if a.name != nil {
		if err := a.store.storage.AddNames(id, []string{a.name.String()}); err != nil {
			return nil, fmt.Errorf("name image %s: %w", a.name, err)
		}
	}
	return a.store.storage.Image(id)
}

// record hands over everything but the layers.
func (a *arrival) record(ctx context.Context, to types.ImageReference) (err error) {
	destination, err := to.NewImageDestination(ctx, a.system)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, destination.Close()) }()
	// A layer may be here under another blob's digest, compressed by somebody else. Its place in the chain has shown that it is the
	// one, so the library may be told what the blob unpacks to.
	known := memory.New()
	for _, l := range a.layers {
		known.RecordDigestUncompressedPair(l.blob.Digest, l.diffID)
		if found, _, err := destination.TryReusingBlob(ctx, l.blob, known, false); err != nil || !found {
			return errors.Join(fmt.Errorf("find %s in the store", l.what()), err, storage.ErrLayerUnknown)
		}
	}
	signatures, err := a.source.GetSignatures(ctx, nil)
	if err != nil {
		return err
	}
	if _, err := destination.PutBlob(ctx, bytes.NewReader(a.content), a.config, none.NoCache, true); err != nil {
		return err
	}
	if err := destination.PutManifest(ctx, a.manifest, nil); err != nil {
		return err
	}
	if err := destination.PutSignatures(ctx, signatures, nil); err != nil {
		return err
	}
	return destination.Commit(ctx, a.top)
}

// finishSigned lets the library copy what is left, which is everything but the layers: only it can read all kinds of
// signatures.
func (a *arrival) finishSigned(ctx context.Context) (*storage.Image, error) {
	to, err := istorage.Transport.NewStoreReference(a.store.storage, a.name, a.config.Digest.Encoded())
	if err != nil {
		return nil, err
	}
	if _, err := copy.Image(ctx, a.admission, to, a.from, &copy.Options{SourceCtx: a.system, DestinationCtx: a.system}); err != nil {
		return nil, err
	}
	return a.store.storage.Image(a.config.Digest.Encoded())
}
