package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/klauspost/compress/zstd"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// size is that of a layer.
type size struct {
	compressed, unpacked int64 // bytes; unpacked is the content of the files alone
	entries, links       int   // links are hard ones
}

// printSizes prints a line for each layer of each layout, and their sum.
func printSizes(layouts []string, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "image\tlayer\tcompressed MB\tunpacked MB\tentries\thard links\t")
	for _, dir := range layouts {
		layers, err := sizes(layout(dir))
		if err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		var sum size
		for i, s := range layers {
			s.print(w, filepath.Base(dir), fmt.Sprint(i+1))
			sum.compressed += s.compressed
			sum.unpacked += s.unpacked
			sum.entries += s.entries
			sum.links += s.links
		}
		sum.print(w, filepath.Base(dir), "all")
	}
	return w.Flush()
}

func (s size) print(w io.Writer, image, layer string) {
	fmt.Fprintf(w, "%s\t%s\t%.1f\t%.1f\t%d\t%d\t\n", image, layer, float64(s.compressed)/1e6, float64(s.unpacked)/1e6, s.entries, s.links)
}

// sizes are those of the layers of the one image in a layout.
func sizes(l layout) ([]size, error) {
	_, manifest, err := l.manifest()
	if err != nil {
		return nil, err
	}
	var layers []size
	for _, descriptor := range manifest.Layers {
		s, err := l.size(descriptor)
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", descriptor.Digest, err)
		}
		layers = append(layers, s)
	}
	return layers, nil
}

func (l layout) size(descriptor imgspecv1.Descriptor) (size, error) {
	s := size{compressed: descriptor.Size}
	file, err := os.Open(l.path(descriptor.Digest))
	if err != nil {
		return s, err
	}
	defer file.Close()
	stream, err := decompressor(descriptor.MediaType, file)
	if err != nil {
		return s, err
	}
	defer stream.Close()
	for r := tar.NewReader(stream); ; s.entries++ {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return s, err
		}
		s.unpacked += header.Size
		if header.Typeflag == tar.TypeLink {
			s.links++
		}
	}
}

func decompressor(mediaType string, from io.Reader) (io.ReadCloser, error) {
	if mediaType != imgspecv1.MediaTypeImageLayerZstd {
		return gzip.NewReader(from)
	}
	r, err := zstd.NewReader(from)
	if err != nil {
		return nil, err
	}
	return r.IOReadCloser(), nil
}
