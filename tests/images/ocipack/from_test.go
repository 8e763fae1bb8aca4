package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// packed packs a description that is made from the sample's, and returns the layouts of both.
func packed(t *testing.T, text string) (from, made layout) {
	t.Helper()
	dir, debs := sample(t)
	next := filepath.Join(filepath.Dir(dir), "next")
	write(t, next, map[string]string{"image.json": text, "files/etc/motd": "hello"})
	out := t.TempDir()
	if err := packAll([]string{dir, next}, debs, out, io.Discard); err != nil {
		t.Fatal(err)
	}
	return layout(filepath.Join(out, "sample")), layout(filepath.Join(out, "next"))
}

func manifestOf(t *testing.T, l layout) (manifest imgspecv1.Manifest, image imgspecv1.Image) {
	t.Helper()
	_, manifest, err := l.manifest()
	if err != nil {
		t.Fatal(err)
	}
	read(t, string(l), manifest.Config.Digest, &image)
	return manifest, image
}

func TestFrom(t *testing.T) {
	from, made := packed(t, `{"name": "next:1", "from": "../sample", "fromLayers": 1, "config": {"Cmd": ["sh"]}, "layers": [{"files": "files"}]}`)
	below, belowImage := manifestOf(t, from)
	manifest, image := manifestOf(t, made)
	if len(manifest.Layers) != 2 || manifest.Layers[0].Digest != below.Layers[0].Digest {
		t.Errorf("layers %v; want 2, of which the lowest is %s", manifest.Layers, below.Layers[0].Digest)
	}
	entries, _ := list(t, made.path(manifest.Layers[1].Digest))
	if want := []string{"d etc/ 0:0 755", "f etc/motd 0:0 755"}; !slices.Equal(entries, want) {
		t.Errorf("own layer %q, want %q", entries, want)
	}
	if !slices.Equal(image.Config.Cmd, []string{"sh"}) || image.Config.StopSignal != belowImage.Config.StopSignal {
		t.Errorf("configuration %+v; want its own command, the other's signal", image.Config)
	}
}

func TestFromTooFewLayers(t *testing.T) {
	dir, _ := sample(t)
	write(t, dir+"/next", map[string]string{"image.json": `{"name": "next:1", "from": "..", "fromLayers": 3}`})
	if d, err := readDescription(filepath.Join(dir, "next")); err == nil {
		t.Errorf("got %d layers, want an error", len(d.Layers))
	}
}

func TestZstd(t *testing.T) {
	from, made := packed(t, `{"name": "next:1", "from": "../sample", "compression": "zstd"}`)
	_, want := manifestOf(t, from)
	manifest, image := manifestOf(t, made)
	if !slices.Equal(image.RootFS.DiffIDs, want.RootFS.DiffIDs) {
		t.Errorf("streams %v, want those of gzip %v", image.RootFS.DiffIDs, want.RootFS.DiffIDs)
	}
	for i, l := range manifest.Layers {
		content, err := os.ReadFile(made.path(l.Digest))
		if err != nil {
			t.Fatal(err)
		}
		if magic := []byte{0x28, 0xb5, 0x2f, 0xfd}; l.MediaType != imgspecv1.MediaTypeImageLayerZstd || !bytes.HasPrefix(content, magic) { // RFC 8878
			t.Errorf("layer %d is %s, beginning with %x", i, l.MediaType, content[:4])
		}
	}
}

func TestCompressionUnknown(t *testing.T) {
	dir, debs := sample(t)
	d, err := readDescription(dir)
	if err != nil {
		t.Fatal(err)
	}
	d.Compression = "lzma"
	if _, err := pack(d, debs, filepath.Join(t.TempDir(), "x")); err == nil || !strings.Contains(err.Error(), "lzma") {
		t.Errorf("error %v, want one that names lzma", err)
	}
}

func TestSizes(t *testing.T) {
	for _, compression := range []string{"gzip", "zstd"} {
		_, made := packed(t, `{"name": "next:1", "from": "../sample", "fromLayers": 1, "compression": "`+compression+`"}`)
		got, err := sizes(made)
		if err != nil || len(got) != 1 {
			t.Fatalf("%d sizes, %v; want 1", len(got), err)
		}
		got[0].compressed = 0 // the compressor's own affair
		// "#!/bin/sh\n" once, as the other is its hard link, and "kept".
		if want := (size{unpacked: 14, entries: 9, links: 1}); got[0] != want {
			t.Errorf("%s: %+v, want %+v", compression, got[0], want)
		}
	}
}
