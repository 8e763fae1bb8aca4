package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestLoad(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	one, other := build(t, plainImage()), build(t, testImage{layers: smallImage().layers[:1], pack: packNothing})
	id, otherID := one.manifest.Config.Digest.Encoded(), other.manifest.Config.Digest.Encoded()
	zipped := build(t, smallImage())
	named := dockerFiles(t, [][]string{{"app:1", "docker.io/team/app:1"}, nil}, one, other)
	layout := ociFiles(t, "host.example/app:2", zipped)
	_, zstd := packZstd(t, layout.tar(t))
	for _, test := range []struct {
		name    string
		archive []byte
		want    []string // NAME ID
	}{
		{"docker", named.tar(t), []string{"localhost/app:1 " + id, "docker.io/team/app:1 " + id, " " + otherID}},
		{"docker gzip", gzipped(t, named.tar(t)), []string{"localhost/app:1 " + id, "docker.io/team/app:1 " + id, " " + otherID}},
		{"oci", layout.tar(t), []string{"host.example/app:2 " + id}},
		{"oci zstd", zstd, []string{"host.example/app:2 " + id}},
		{"oci without a name", ociFiles(t, "", zipped, other).tar(t), []string{" " + id, " " + otherID}},
		{"oci with a name that is none", ociFiles(t, "Not A Name", zipped).tar(t), []string{" " + id}},
	} {
		t.Run(test.name, func(t *testing.T) {
			loaded, err := s.Load(t.Context(), bytes.NewReader(test.archive), LoadOptions{})
			checkLoaded(t, loaded, err, test.want)
			removeAllImages(t, s)
		})
	}
}

func checkLoaded(t *testing.T, loaded []Loaded, err error, want []string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, one := range loaded {
		got = append(got, one.Name+" "+one.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("loaded %q, want %q", got, want)
	}
	if len(loaded) > 0 && len(loaded[0].Lowers) == 2 {
		checkMerged(t, loaded[0].Image)
	}
}

// removeAllImages empties a store, and fails if that leaves layers or scratch files.
func removeAllImages(t *testing.T, s *Store) {
	t.Helper()
	if _, err := s.Prune(t.Context(), PruneOptions{All: true}); err != nil {
		t.Error(err)
	}
	checkNothingLeft(t, s)
	if layers, err := s.storage.Layers(); err != nil || len(layers) > 0 {
		t.Errorf("layers left: %v, %v", layers, err)
	}
}

func TestPullFromPlaces(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	b := build(t, smallImage())
	other := build(t, testImage{layers: smallImage().layers[:1], pack: packNothing})
	id, otherID := b.manifest.Config.Digest.Encoded(), other.manifest.Config.Digest.Encoded()
	dir := t.TempDir()
	docker := dockerFiles(t, [][]string{{"app:1"}, {"app:2", "docker.io/team/app:2"}}, build(t, plainImage()), other).tar(t)
	writeFile(t, filepath.Join(dir, "docker.tar"), string(docker))
	writeFile(t, filepath.Join(dir, "docker.tar.gz"), string(gzipped(t, docker)))
	writeFile(t, filepath.Join(dir, "oci.tar"), string(ociFiles(t, "app:3", b).tar(t)))
	layout := ociFiles(t, "app:3", b)
	flat := files{"manifest.json": marshal(t, b.manifest), "version": []byte("Directory Transport Version: 1.1\n")}
	for sum, content := range b.blobs {
		flat[sum.Encoded()] = content
	}
	for _, test := range []struct {
		place string
		want  []string
	}{
		{"docker-archive:" + dir + "/docker.tar", []string{"localhost/app:1 " + id, "localhost/app:2 " + otherID, "docker.io/team/app:2 " + otherID}},
		{"docker-archive:" + dir + "/docker.tar:app:2", []string{"localhost/app:2 " + otherID}},
		{"docker-archive:" + dir + "/docker.tar.gz:docker.io/team/app:2", []string{"docker.io/team/app:2 " + otherID}},
		{"oci-archive:" + dir + "/oci.tar", []string{"localhost/app:3 " + id}},
		{"oci-archive:" + dir + "/oci.tar:app:3", []string{"localhost/app:3 " + id}},
		{"oci:" + layout.directory(t) + ":app:3", []string{"localhost/app:3 " + id}},
		{"dir:" + flat.directory(t), []string{" " + id}},
	} {
		t.Run(strings.ReplaceAll(test.place, "/", "_"), func(t *testing.T) {
			place, _, err := ParsePlace(test.place)
			if err != nil {
				t.Fatal(err)
			}
			loaded, err := s.PullFrom(t.Context(), place, LoadOptions{})
			checkLoaded(t, loaded, err, test.want)
			removeAllImages(t, s)
		})
	}
	for place, want := range map[string]string{
		"docker-archive:" + dir + "/none.tar":         "none.tar: no such file",
		"docker-archive:" + dir + "/docker.tar:app:9": "no image called app:9",
		"docker-archive:" + dir + "/oci.tar":          "it is of the kind oci-archive",
		"docker-archive:" + dir:                       "it is a directory",
		"oci:" + dir:                                  "index.json: no such file",
		"oci:" + layout.directory(t) + ":other":       `called "other"`,
		"dir:" + dir:                                  "manifest.json: no such file",
	} {
		p, _, err := ParsePlace(place)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.PullFrom(t.Context(), p, LoadOptions{}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), p.Path) {
			t.Errorf("%s: %v, want %q", place, err, want)
		}
	}
	checkNothingLeft(t, s)
}

// An index of a layout has images for several machines.
func TestLoadPlatform(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	own := build(t, smallImage())
	foreign := build(t, testImage{layers: smallImage().layers[:1]})
	foreign.config.Architecture = "riscv64"
	foreign.setConfig(t)
	all := ociFiles(t, "", own, foreign)
	var index imgspecv1.Index
	unmarshal(t, all["index.json"], &index)
	index.Manifests[0].Platform = &imgspecv1.Platform{OS: "linux", Architecture: runtime.GOARCH}
	index.Manifests[1].Platform = &imgspecv1.Platform{OS: "linux", Architecture: "riscv64"}
	content := marshal(t, index)
	sum := digest.FromBytes(content)
	all["blobs/sha256/"+sum.Encoded()] = content
	index.Manifests = []imgspecv1.Descriptor{{MediaType: imgspecv1.MediaTypeImageIndex, Digest: sum, Size: int64(len(content))}}
	all["index.json"] = marshal(t, index)
	for platform, want := range map[string]*builtImage{"": own, "linux/riscv64": foreign} {
		loaded, err := s.Load(t.Context(), bytes.NewReader(all.tar(t)), LoadOptions{Platform: platform})
		if err != nil || loaded[0].ID != want.manifest.Config.Digest.Encoded() {
			t.Errorf("platform %q: %+v, %v", platform, loaded, err)
		}
	}
	for platform, want := range map[string]string{"linux/s390x": "s390x", "linux": "OS/ARCH", "linux/": "OS/ARCH", "a/b/c/d": "OS/ARCH"} {
		if _, err := s.Load(t.Context(), bytes.NewReader(all.tar(t)), LoadOptions{Platform: platform}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("platform %q: %v", platform, err)
		}
	}
}

// Archives that are none, lie or want out. Each gives an error that says so, and leaves nothing.
func TestLoadHostile(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	outside := filepath.Join(t.TempDir(), "outside")
	docker := func(change func(files)) []byte {
		all := dockerFiles(t, [][]string{{"app:1"}}, build(t, plainImage()))
		change(all)
		return all.tar(t)
	}
	oci := func(change func(all files, b *builtImage)) []byte {
		b := build(t, smallImage())
		all := ociFiles(t, "app:1", b)
		change(all, b)
		return all.tar(t)
	}
	blob := func(d imgspecv1.Descriptor) string { return "blobs/sha256/" + d.Digest.Encoded() }
	whole := docker(func(files) {})
	for _, test := range []struct {
		name    string
		archive []byte
		want    string
	}{
		{"nothing", nil, "cut off|empty|no image archive"},
		{"text", []byte(strings.Repeat("this is no archive\n", 100)), "no image archive"},
		{"zeros", make([]byte, 1<<20), "empty"},
		{"cut off in a layer", whole[:len(whole)/2], "cut off|no image archive"},
		{"cut off gzip", gzipped(t, whole)[:200], "cut off"},
		{"damaged gzip", damaged(gzipped(t, whole)), "archive"},
		{"foreign", files{"a": nil}.tar(t), "neither manifest.json"},
		{"manifest is no JSON", docker(func(f files) { f["manifest.json"] = []byte("{") }), "manifest.json"},
		{"no image", docker(func(f files) { f["manifest.json"] = []byte("[]") }), "no image"},
		{"layer missing", docker(func(f files) {
			for name := range f {
				if strings.HasSuffix(name, "layer.tar") {
					delete(f, name)
					return
				}
			}
		}), "layer|missing"},
		{"configuration outside", docker(func(f files) {
			f["manifest.json"] = []byte(`[{"Config":"/etc/passwd","RepoTags":["a:1"],"Layers":[]}]`)
		}), "/etc/passwd"},
		{"configuration climbs", docker(func(f files) {
			f["manifest.json"] = []byte(`[{"Config":"../../../../etc/passwd","RepoTags":["a:1"],"Layers":[]}]`)
		}), "passwd"},
		{"bad tag", docker(func(f files) {
			f["manifest.json"] = bytes.Replace(f["manifest.json"], []byte("app:1"), []byte("../App"), 1)
		}), "App"},
		{"layer's content changed", docker(func(f files) {
			for name := range f {
				if strings.HasSuffix(name, "layer.tar") {
					f[name] = files{"evil": []byte("x")}.tar(t)
				}
			}
		}), "digest|match|layer"},
		{"blob missing", oci(func(f files, b *builtImage) { delete(f, blob(b.manifest.Layers[0])) }), "no such file"},
		{"blob changed", oci(func(f files, b *builtImage) { f[blob(b.manifest.Layers[0])] = gzipped(t, files{"evil": nil}.tar(t)) }), "digest|size|ends after"},
		{"configuration changed", oci(func(f files, b *builtImage) { f[blob(b.manifest.Config)] = []byte("{}") }), "digest|size|config"},
		{"blob is a link out", oci(func(f files, b *builtImage) {
			name := blob(b.manifest.Layers[0])
			delete(f, name)
			f[name+"@"] = []byte("/etc/passwd")
		}), "no such file"},
		{"directory is a link out", oci(func(f files, b *builtImage) {
			f["a@"], f["a/x"] = []byte(outside), []byte("x")
			delete(f, "index.json")
		}), "neither"},
		{"climbing names", oci(func(f files, b *builtImage) {
			f["../../../../../../.."+outside], f[outside], f["blobs/sha256/../../../../"+outside] = []byte("x"), []byte("x"), []byte("x")
			delete(f, blob(b.manifest.Layers[1]))
		}), "no such file"},
		{"index is a link", oci(func(f files, _ *builtImage) { delete(f, "index.json"); f["index.json@"] = []byte("/etc/passwd") }), "index.json"},
		{"index is too large", oci(func(f files, _ *builtImage) { f["index.json"] = bytes.Repeat([]byte(" "), maxIndex+1) }), "larger"},
		{"index without images", oci(func(f files, _ *builtImage) { f["index.json"] = []byte(`{"manifests":[]}`) }), "no image"},
		{"index with a bad digest", oci(func(f files, _ *builtImage) {
			f["index.json"] = []byte(`{"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:../../x","size":1}]}`)
		}), "digest"},
	} {
		t.Run(test.name, func(t *testing.T) {
			loaded, err := s.Load(t.Context(), bytes.NewReader(test.archive), LoadOptions{})
			if err == nil || len(loaded) > 0 {
				t.Errorf("loaded %+v, %v", loaded, err)
			} else if !slices.ContainsFunc(strings.Split(test.want, "|"), func(part string) bool { return strings.Contains(err.Error(), part) }) {
				t.Errorf("error %q, want %q", err, test.want)
			}
			checkNothingLeft(t, s)
			if _, err := os.Lstat(outside); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s appeared (%v)", outside, err)
			}
		})
	}
}

func damaged(packed []byte) []byte {
	packed[len(packed)-6] ^= 1 // in the checksum
	return packed
}

func unmarshal(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

// A load that is broken off while the archive arrives leaves nothing.
func TestLoadCancelled(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	go func() {
		_, _ = w.Write(dockerFiles(t, [][]string{{"a:1"}}, build(t, plainImage())).tar(t)[:2000])
		cancel()
		_ = w.CloseWithError(io.ErrClosedPipe)
	}()
	if _, err := s.Load(ctx, r, LoadOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	checkNothingLeft(t, s)
}

// policy.json has rules for archives by their transports.
func TestLoadPolicy(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	dir := t.TempDir()
	archive := ociFiles(t, "app:1", build(t, smallImage())).tar(t)
	docker := dockerFiles(t, [][]string{{"app:1"}}, build(t, plainImage())).tar(t)
	writeFile(t, filepath.Join(dir, "a.tar"), string(archive))
	place := Place{Transport: OCIArchive, Path: filepath.Join(dir, "a.tar")}
	writeConfig(t, "policy.json", `{"default": [{"type": "reject"}], "transports": {"oci": {"": [{"type": "insecureAcceptAnything"}]}}}`)
	for name, archive := range map[string][]byte{"oci": archive, "docker": docker} {
		if _, err := s.Load(t.Context(), bytes.NewReader(archive), LoadOptions{}); !errors.Is(err, ErrPolicy) {
			t.Errorf("%s: %v, want ErrPolicy", name, err)
		}
	}
	if _, err := s.PullFrom(t.Context(), place, LoadOptions{}); !errors.Is(err, ErrPolicy) {
		t.Errorf("got %v, want ErrPolicy", err)
	}
	checkNothingLeft(t, s)
	writeConfig(t, "policy.json", `{"default": [{"type": "reject"}], "transports": {"oci-archive": {"`+dir+`": [{"type": "insecureAcceptAnything"}]}}}`)
	if _, err := s.PullFrom(t.Context(), place, LoadOptions{}); err != nil {
		t.Errorf("an archive of the directory that is let in: %v", err)
	}
}
