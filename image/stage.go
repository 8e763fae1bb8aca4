package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"go.podman.io/image/v5/pkg/blobinfocache/none"
	graphdriver "go.podman.io/storage/drivers"
	"go.podman.io/storage/pkg/archive"

	"github.com/peapod/peapod/image/unpack"
)

// stage downloads, verifies, inflates and unpacks one layer into a directory beside the store's layers. The caller applies
// the result or cleans it up.
func (a *arrival) stage(ctx context.Context, l *layer) (*graphdriver.DriverWithDifferOutput, error) {
	d := &differ{arrival: a, ctx: ctx, layer: l}
	out, err := a.store.storage.PrepareStagedLayer(nil, d)
	if err == nil {
		return out, nil
	}
	if d.directory != "" {
		// The library has let go of the directory's lock, and leaves the directory to nobody.
		err = errors.Join(err, os.RemoveAll(d.directory))
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, &layerError{l.what(), err}
}

// layerError is what went wrong with one layer.
type layerError struct {
	layer string
	err   error
}

func (e *layerError) Error() string { return e.layer + ": " + e.err.Error() }
func (e *layerError) Unwrap() error { return e.err }

// differ is what the storage library calls back with the directory to unpack into.
type differ struct {
	arrival   *arrival
	ctx       context.Context // of the one call of stage
	layer     *layer
	directory string // what is to be removed after an error
}

func (d *differ) Close() error { return nil }

// ApplyDiff is in graphdriver.Differ.
func (d *differ) ApplyDiff(target string, tar *archive.TarOptions, o *graphdriver.DifferOptions) (out graphdriver.DriverWithDifferOutput, err error) {
	d.directory = o.StagingDirectory
	if o.Format != graphdriver.DifferOutputFormatDir || tar.ForceMask != nil {
		return out, &otherwise{"the store keeps files as composefs, or with a mask"}
	}
	root, err := os.Open(target)
	if err != nil {
		return out, fmt.Errorf("open staging directory: %w", err)
	}
	defer root.Close()
	unpacked, err := d.unpack(root, tar.IgnoreChownErrors)
	if err != nil {
		return out, err
	}
	return graphdriver.DriverWithDifferOutput{
		Differ: d, Size: unpacked.Size, UIDs: unpacked.UIDs, GIDs: unpacked.GIDs,
		UncompressedDigest: unpacked.DiffID, CompressedDigest: d.layer.blob.Digest,
		TarSplit: unpacked.TarSplit, RootDirMode: unpacked.RootMode,
	}, nil
}

// unpack reads the blob once, and everything happens on the way.
func (d *differ) unpack(root *os.File, fold bool) (_ *unpack.Layer, err error) {
	blob, size, err := d.arrival.source.GetBlob(d.ctx, d.layer.blob, none.NoCache)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, blob.Close()) }()
	if d.layer.blob.Size < 0 {
		d.layer.blob.Size = size
	}
	verified := newVerifier(blob, d.layer.blob.Digest, d.layer.blob.Size)
	counted := &counter{ctx: d.ctx, from: verified, layer: d.layer, report: d.arrival.report}
	plain, err := decompress(counted)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	unpacked, err := unpack.Unpack(root, plain, unpack.Options{
		IgnoreChownErrors: fold, Limit: limit(d.layer.blob.Size), Scratch: filepath.Dir(root.Name()),
	})
	if err == nil {
		// The stream that was unpacked may end before the blob does.
		_, err = io.Copy(io.Discard, counted)
	}
	if err == nil && unpacked.Replaced != "" {
		slog.Warn("layer has an entry in the place of another: saving the image will not work", "layer", d.layer.blob.Digest, "entry", unpacked.Replaced)
	}
	if err == nil && unpacked.DiffID != d.layer.diffID {
		err = fmt.Errorf("unpacks to %s, but the configuration says %s", unpacked.DiffID, d.layer.diffID)
	}
	var bomb *unpack.LimitError
	if errors.As(err, &bomb) {
		err = fmt.Errorf("unpacks to more than %d bytes, over %d times its size; it is refused as a decompression bomb", bomb.Limit, maxRatio)
	}
	if err != nil {
		if unpacked != nil {
			_ = unpacked.TarSplit.Close()
		}
		// What is wrong with the blob as a whole explains what is wrong with its content.
		return nil, verified.explain(err)
	}
	return unpacked, nil
}

// A layer may unpack to so many times its size. Deflate makes at most 1032 bytes of one; real layers stay below 20, and a
// file of zeros in a small layer must pass.
const maxRatio = 200

// unlimited is how many bytes any layer may unpack to. A test lowers it.
var unlimited int64 = 1 << 30

// limit is the most that a layer of that many bytes may unpack to.
func limit(compressed int64) int64 { return max(unlimited, maxRatio*compressed) }
