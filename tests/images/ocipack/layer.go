package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// layer stores a tree as a compressed layer; the second result is the digest of the tar stream itself.
func (l layout) layer(content tree, clamp time.Time, compression string) (imgspecv1.Descriptor, digest.Digest, error) {
	var compressed bytes.Buffer
	zip, mediaType, err := compressor(compression, &compressed)
	if err != nil {
		return imgspecv1.Descriptor{}, "", err
	}
	sum := digest.Canonical.Digester()
	if err := content.write(io.MultiWriter(zip, sum.Hash()), clamp); err != nil {
		return imgspecv1.Descriptor{}, "", err
	}
	if err := zip.Close(); err != nil {
		return imgspecv1.Descriptor{}, "", err
	}
	descriptor, err := l.blob(mediaType, compressed.Bytes())
	return descriptor, sum.Digest(), err
}

// compressor compresses as Docker and buildah do when told no level: gzip's 6, zstd's 3.
func compressor(compression string, to io.Writer) (zip io.WriteCloser, mediaType string, err error) {
	switch compression {
	case "", "gzip":
		return gzip.NewWriter(to), imgspecv1.MediaTypeImageLayerGzip, nil
	case "zstd":
		// One encoder alone: the result must not depend on how many processors there are.
		zip, err = zstd.NewWriter(to, zstd.WithEncoderConcurrency(1))
		return zip, imgspecv1.MediaTypeImageLayerZstd, err
	}
	return nil, "", fmt.Errorf("compression %q: want gzip or zstd", compression)
}
