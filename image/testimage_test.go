package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// testImage is an image to be pushed.
type testImage struct {
	config imgspecv1.ImageConfig
	layers [][]tar.Header // the content of a file is its name, repeated up to its size if it has one
	// pack compresses a layer. nil: gzip.
	pack func(*testing.T, []byte) (mediaType string, packed []byte)
}

// smallImage has what makes layers hard: owners, modes, links, a deletion and a hidden directory.
func smallImage() testImage {
	return testImage{
		config: imgspecv1.ImageConfig{Cmd: []string{"/bin/app", "-v"}, Env: []string{"A=b"}, StopSignal: "SIGQUIT"},
		layers: [][]tar.Header{
			{
				{Typeflag: tar.TypeDir, Name: "etc/", Mode: 0o755},
				{Typeflag: tar.TypeReg, Name: "etc/shadow", Mode: 0o640, Gid: 42},
				{Typeflag: tar.TypeReg, Name: "etc/old", Mode: 0o644},
				{Typeflag: tar.TypeDir, Name: "data/", Mode: 0o1777},
				{Typeflag: tar.TypeReg, Name: "data/below", Mode: 0o644, Uid: 33, Gid: 33},
			},
			{
				{Typeflag: tar.TypeDir, Name: "bin/", Mode: 0o755},
				{Typeflag: tar.TypeReg, Name: "bin/app", Mode: 0o4755},
				{Typeflag: tar.TypeLink, Name: "bin/same", Linkname: "bin/app", Mode: 0o4755},
				{Typeflag: tar.TypeSymlink, Name: "bin/sh", Linkname: "app"},
				{Typeflag: tar.TypeReg, Name: "etc/.wh.old"},
				{Typeflag: tar.TypeDir, Name: "data/", Mode: 0o1777},
				{Typeflag: tar.TypeReg, Name: "data/.wh..wh..opq"},
				{Typeflag: tar.TypeReg, Name: "data/above", Mode: 0o644},
			},
		},
	}
}

// builtImage is an image as a registry has it. Tests change it into a lie.
type builtImage struct {
	config   imgspecv1.Image
	manifest imgspecv1.Manifest
	blobs    map[digest.Digest][]byte
}

func build(t *testing.T, image testImage) *builtImage {
	t.Helper()
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	b := &builtImage{
		config: imgspecv1.Image{
			Created: &created, Config: image.config,
			Platform: imgspecv1.Platform{OS: "linux", Architecture: runtime.GOARCH}, RootFS: imgspecv1.RootFS{Type: "layers"},
		},
		manifest: imgspecv1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspecv1.MediaTypeImageManifest},
		blobs:    map[digest.Digest][]byte{},
	}
	pack := image.pack
	if pack == nil {
		pack = packGzip
	}
	for _, headers := range image.layers {
		plain := packLayer(t, headers)
		mediaType, packed := pack(t, plain)
		b.addLayer(plain, mediaType, packed)
	}
	b.setConfig(t)
	return b
}

func (b *builtImage) addLayer(plain []byte, mediaType string, packed []byte) {
	b.config.RootFS.DiffIDs = append(b.config.RootFS.DiffIDs, digest.FromBytes(plain))
	b.manifest.Layers = append(b.manifest.Layers, b.add(mediaType, packed))
}

// setConfig renews the configuration's blob after a change.
func (b *builtImage) setConfig(t *testing.T) {
	t.Helper()
	delete(b.blobs, b.manifest.Config.Digest)
	b.manifest.Config = b.add(imgspecv1.MediaTypeImageConfig, marshal(t, b.config))
}

func (b *builtImage) add(mediaType string, content []byte) imgspecv1.Descriptor {
	d := imgspecv1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
	b.blobs[d.Digest] = content
	return d
}

func marshal(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// packLayer makes a tar file.
func packLayer(t *testing.T, headers []tar.Header) []byte {
	t.Helper()
	var plain bytes.Buffer
	w := tar.NewWriter(&plain)
	for _, h := range headers {
		var data []byte
		if h.Typeflag == tar.TypeReg {
			if h.Size == 0 {
				h.Size = int64(len(h.Name))
			}
			data = bytes.Repeat([]byte(h.Name), int(h.Size)/len(h.Name)+1)[:h.Size]
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return plain.Bytes()
}

func packGzip(t *testing.T, plain []byte) (string, []byte) {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	closeAfter(t, w, plain)
	return imgspecv1.MediaTypeImageLayerGzip, packed.Bytes()
}

func packNothing(_ *testing.T, plain []byte) (string, []byte) {
	return imgspecv1.MediaTypeImageLayer, plain
}

func packZstd(t *testing.T, plain []byte) (string, []byte) {
	t.Helper()
	var packed bytes.Buffer
	w, err := zstd.NewWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, w, plain)
	return imgspecv1.MediaTypeImageLayerZstd, packed.Bytes()
}

// packChunked imitates zstd:chunked: several frames, and a skippable one at the end.
func packChunked(t *testing.T, plain []byte) (string, []byte) {
	t.Helper()
	_, first := packZstd(t, plain[:len(plain)/2])
	kind, second := packZstd(t, plain[len(plain)/2:])
	extra := append([]byte{0x50, 0x2a, 0x4d, 0x18, 5, 0, 0, 0}, "table"...)
	return kind, append(append(first, second...), extra...)
}

func closeAfter(t *testing.T, w io.WriteCloser, content []byte) {
	t.Helper()
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
