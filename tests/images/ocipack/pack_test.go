package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// write makes files below dir: path → content.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// sample makes a package and a description that uses everything.
func sample(t *testing.T) (dir, debs string) {
	t.Helper()
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("dpkg-deb is not installed")
	}
	top := t.TempDir()
	dir, debs = filepath.Join(top, "sample"), filepath.Join(top, "debs")
	source := filepath.Join(top, "source")
	write(t, source, map[string]string{
		"DEBIAN/control":      "Package: tool\nVersion: 1:2.5-3\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: a test\n",
		"bin/tool":            "#!/bin/sh\n",
		"usr/share/doc/x/y":   "long",
		"usr/share/kept/file": "kept",
	})
	if err := os.Link(filepath.Join(source, "bin/tool"), filepath.Join(source, "bin/a-link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(debs, 0o755); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("dpkg-deb", "--root-owner-group", "--build", source, filepath.Join(debs, "tool_2.5-3_all.deb"))
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb: %v\n%s", err, out)
	}
	write(t, dir, map[string]string{
		"upper/start.sh": "#!/bin/sh\n",
		"image.json": `{
			"name": "sample:1", "mergeUsr": true, "config": {"Env": ["VERSION=${version:tool}"], "StopSignal": "SIGQUIT"},
			"layers": [
				{"packages": ["tool"], "without": ["usr/share/doc"], "links": {"bin": "usr/bin"}, "directories": {"tmp": "1777"}, "owners": {"tmp": [7, 8]}},
				{"files": "upper", "whiteouts": ["usr/share/kept/file"], "opaque": ["tmp"], "modes": {"start.sh": "4711"}}
			]
		}`,
	})
	return dir, debs
}

func TestPack(t *testing.T) {
	dir, debs := sample(t)
	d, err := readDescription(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "sample")
	sum, err := pack(d, debs, out)
	if err != nil {
		t.Fatal(err)
	}
	var manifest imgspecv1.Manifest
	var image imgspecv1.Image
	read(t, out, sum, &manifest)
	read(t, out, manifest.Config.Digest, &image)
	if got, want := image.Config.Env, []string{"VERSION=2.5"}; !slices.Equal(got, want) {
		t.Errorf("environment %q, want %q", got, want)
	}
	want := [][]string{
		{
			"l bin 0:0 777 → usr/bin", "d tmp/ 7:8 1777", "d usr/ 0:0 755", "d usr/bin/ 0:0 755", "f usr/bin/a-link 0:0 755",
			"d usr/share/ 0:0 755", "d usr/share/kept/ 0:0 755", "f usr/share/kept/file 0:0 755", "h usr/bin/tool 0:0 755 → usr/bin/a-link",
		},
		{
			"f start.sh 0:0 4711", "d tmp/ 0:0 755", "f tmp/.wh..wh..opq 0:0 644", "d usr/ 0:0 755", "d usr/share/ 0:0 755",
			"d usr/share/kept/ 0:0 755", "f usr/share/kept/.wh.file 0:0 644",
		},
	}
	for i, layer := range manifest.Layers {
		entries, diffID := list(t, filepath.Join(out, "blobs", "sha256", layer.Digest.Encoded()))
		if !slices.Equal(entries, want[i]) {
			t.Errorf("layer %d:\n%q\nwant\n%q", i, entries, want[i])
		}
		if diffID != image.RootFS.DiffIDs[i] {
			t.Errorf("layer %d is %s, the configuration says %s", i, diffID, image.RootFS.DiffIDs[i])
		}
	}
	again, err := pack(d, debs, out)
	if err != nil || again != sum {
		t.Errorf("packed again: %s, %v; want %s", again, err, sum)
	}
}

func TestPackErrors(t *testing.T) {
	dir, debs := sample(t)
	d, err := readDescription(dir)
	if err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	d.Layers[0].Packages = []string{"missing"}
	if _, err := pack(d, debs, filepath.Join(to, "sample")); err == nil {
		t.Error("packed without its package")
	}
	if left, err := os.ReadDir(to); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	write(t, dir, map[string]string{"image.json": `{"nmae": "x"}`})
	if _, err := readDescription(dir); err == nil {
		t.Error("a misspelt key was taken")
	}
}

func read(t *testing.T, layout string, sum digest.Digest, value any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(layout, "blobs", "sha256", sum.Encoded()))
	if err != nil {
		t.Fatal(err)
	}
	if digest.FromBytes(text) != sum {
		t.Errorf("blob %s has other content", sum)
	}
	if err := json.Unmarshal(text, value); err != nil {
		t.Fatal(err)
	}
}

// list describes a layer's entries, and gives the digest of the stream itself.
func list(t *testing.T, file string) ([]string, digest.Digest) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	sum := digest.Canonical.Digester()
	stream := io.TeeReader(zip, sum.Hash())
	kinds := map[byte]string{tar.TypeReg: "f", tar.TypeDir: "d", tar.TypeSymlink: "l", tar.TypeLink: "h"}
	var entries []string
	r := tar.NewReader(stream)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%s %s %d:%d %o", kinds[h.Typeflag], h.Name, h.Uid, h.Gid, h.Mode)
		if h.Linkname != "" {
			text += " → " + h.Linkname
		}
		entries = append(entries, text)
	}
	if _, err := io.Copy(io.Discard, stream); err != nil {
		t.Fatal(err)
	}
	return entries, sum.Digest()
}
