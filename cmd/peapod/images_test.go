package main

import (
	"io"
	"strings"
	"testing"
	"time"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/peapod/peapod/rootless/api"
)

func TestImages(t *testing.T) {
	local := time.Local
	time.Local = time.UTC // times are shown in the local zone
	defer func() { time.Local = local }()
	for name, o := range map[string]imagesOptions{
		"images": {}, "images-no-trunc": {noTrunc: true}, "images-quiet": {quiet: true}, "images-digests": {digests: true},
		"images-format": {format: `{{.ID}}\t{{.Repository}}:{{.Tag}} {{.CreatedAt}}`},
		"images-table":  {format: `table {{.Repository}}\t{{.Tag}}\t{{.Size}}`},
	} {
		golden(t, name+".txt", func(w io.Writer) error { return printImages(w, someImages(testNow), &o, testNow) })
	}
	if err := printImages(io.Discard, someImages(testNow), &imagesOptions{format: "{{.None}}"}, testNow); err == nil {
		t.Error("a field that is not there")
	}
}

func TestImageInspect(t *testing.T) {
	details := []api.ImageDetails{{
		Id: "sha256:" + strings.Repeat("a", 64), RepoTags: []string{"docker.io/library/busybox:latest"}, RepoDigests: []string{"docker.io/library/busybox@sha256:dd"},
		Digest: "sha256:dd", Created: testNow, Architecture: "amd64", Os: "linux", Size: 5, VirtualSize: 5,
		Config:      api.ImageConfig{ImageConfig: imgspecv1.ImageConfig{Cmd: []string{"sh"}, Env: []string{"A=<b>"}}, Healthcheck: []byte(`{"Test":["NONE"]}`)},
		GraphDriver: api.GraphDriver{Name: "overlay", Data: map[string]string{"UpperDir": "/u"}}, RootFS: api.RootFS{Type: "layers", Layers: []string{"sha256:1"}},
		Labels: map[string]string{"k": "v"}, ManifestType: imgspecv1.MediaTypeImageManifest,
		History: []imgspecv1.History{{CreatedBy: "/bin/sh -c #(nop)", EmptyLayer: true}},
	}}
	golden(t, "image-inspect.txt", func(w io.Writer) error { return printInspect(w, details, "") })
	golden(t, "image-inspect-format.txt", func(w io.Writer) error {
		return printInspect(w, details, `{{.Id}} {{.ID}} {{json .Config.Cmd}} {{index .Config.Env 0}} {{.Os}} {{len .RootFS.Layers}} {{.Labels.k}}`)
	})
}

// pictures are what a terminal of 80 by 7 gets to see.
func pictures(w io.Writer, lines []api.PullProgress) {
	now := testNow
	b := newBars(w, func() (width, height int) { return 80, 7 })
	b.now = func() time.Time { now = now.Add(redraw * 4); return now }
	for _, line := range lines {
		b.update(line)
	}
	b.finish()
}

// The pictures of a pull, escape sequences and all.
func TestBars(t *testing.T) {
	golden(t, "bars.txt", func(w io.Writer) error {
		pictures(w, []api.PullProgress{
			{Message: "Trying to pull a\x1b[2J..."},
			{Layer: "sha256:1111111111111111", Offset: 0, Total: 4_000_000},
			{Layer: "sha256:2222222222222222", Offset: 500, Total: -1},
			{Layer: "sha256:1111111111111111", Offset: 2_000_000, Total: 4_000_000},
			{Layer: "sha256:1111111111111111", Offset: 9_000_000, Total: 4_000_000},
			{Layer: "sha256:2222222222222222", Offset: 700, Done: true, Message: "complete"},
			{Message: "Writing"},
			{Layer: "3", Done: true},
			{Layer: "4", Offset: -3, Total: 1},
			{Layer: "4", Total: 1, Done: true, Message: "already present"},
			{Layer: "4", Offset: 1, Total: 1},
		})
		return nil
	})
	golden(t, "bars-many.txt", func(w io.Writer) error {
		var lines []api.PullProgress
		for _, layer := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
			lines = append(lines, api.PullProgress{Layer: layer, Offset: 1000, Total: 2000, Done: layer < "c"})
		}
		pictures(w, lines)
		return nil
	})
}

// However small the terminal, no line wraps and the cursor stays in it.
func TestBarsFit(t *testing.T) {
	for width := 1; width < 90; width++ {
		for height := 1; height < 6; height++ {
			b := newBars(io.Discard, func() (int, int) { return width, height })
			for _, layer := range []string{"sha256:1111111111111111", "sha256:2", "archive"} {
				b.update(api.PullProgress{Layer: layer, Offset: 1 << 40, Total: 1 << 41})
			}
			lines := b.lines(width, height-1)
			if len(lines) > height-1 && height > 1 {
				t.Errorf("%dx%d: %d lines", width, height, len(lines))
			}
			for _, line := range lines {
				if len(line) >= width {
					t.Errorf("%dx%d: %q", width, height, line)
				}
			}
		}
	}
}
