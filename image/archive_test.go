package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// files are an archive's, by name. A name that ends in @ is a symbolic link.
type files map[string][]byte

// ociFiles are an OCI layout. An empty name gives no annotation.
func ociFiles(t *testing.T, name string, images ...*builtImage) files {
	t.Helper()
	all := files{"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`)}
	index := imgspecv1.Index{MediaType: imgspecv1.MediaTypeImageIndex}
	index.SchemaVersion = 2
	for _, b := range images {
		blobs := maps.Clone(b.blobs)
		content := marshal(t, b.manifest)
		d := imgspecv1.Descriptor{MediaType: imgspecv1.MediaTypeImageManifest, Digest: digest.FromBytes(content), Size: int64(len(content))}
		if name != "" {
			d.Annotations = map[string]string{imgspecv1.AnnotationRefName: name}
		}
		index.Manifests = append(index.Manifests, d)
		blobs[d.Digest] = content
		for sum, content := range blobs {
			all["blobs/sha256/"+sum.Encoded()] = content
		}
	}
	all["index.json"] = marshal(t, index)
	return all
}

// dockerFiles are a docker-archive. The images' layers have to be uncompressed.
func dockerFiles(t *testing.T, tags [][]string, images ...*builtImage) files {
	t.Helper()
	all := files{}
	type item struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	var items []item
	for i, b := range images {
		one := item{Config: b.manifest.Config.Digest.Encoded() + ".json", RepoTags: tags[i]}
		all[one.Config] = b.blobs[b.manifest.Config.Digest]
		for _, layer := range b.manifest.Layers {
			name := layer.Digest.Encoded() + "/layer.tar"
			one.Layers = append(one.Layers, name)
			all[name] = b.blobs[layer.Digest]
		}
		items = append(items, one)
	}
	all["manifest.json"] = marshal(t, items)
	return all
}

func (f files) tar(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(f)) {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(f[name]))}
		content := f[name]
		if link, ok := strings.CutSuffix(name, "@"); ok {
			h = &tar.Header{Typeflag: tar.TypeSymlink, Name: link, Linkname: string(content)}
			content = nil
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// directory writes the files below a new directory.
func (f files) directory(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range f {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if link, ok := strings.CutSuffix(file, "@"); ok {
			if err := os.Symlink(string(content), link); err != nil {
				t.Fatal(err)
			}
			continue
		}
		writeFile(t, file, string(content))
	}
	return dir
}

func plainImage() testImage {
	image := smallImage()
	image.pack = packNothing
	return image
}

func gzipped(t *testing.T, plain []byte) []byte {
	_, packed := packGzip(t, plain)
	return packed
}

func TestSurvey(t *testing.T) {
	for _, test := range []struct {
		name  string
		files files
		want  archiveKind
		err   string
	}{
		{"docker", files{"manifest.json": nil}, dockerArchive, ""},
		{"docker with a layout", files{"manifest.json": nil, "index.json": nil, "oci-layout": nil}, dockerArchive, ""},
		{"layout", files{"./index.json": nil}, ociArchive, ""},
		{"old", files{"repositories": nil}, noArchive, "older than 1.10"},
		{"foreign", files{"README": nil}, noArchive, "neither manifest.json"},
		{"deeper", files{"a/manifest.json": nil}, noArchive, "neither manifest.json"},
		{"empty", files{}, noArchive, "it is empty"},
	} {
		kind, err := survey(bytes.NewReader(test.files.tar(t)))
		if kind != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v, %v; want %v, %q", test.name, kind, err, test.want, test.err)
		}
	}
	many := io.MultiReader(repeated(t, maxEntries+1))
	if _, err := survey(many); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("too many entries: %v", err)
	}
}

// repeated is an archive of n empty files.
func repeated(t *testing.T, n int) io.Reader {
	t.Helper()
	header := files{"a": nil}.tar(t)[:512]
	readers := make([]io.Reader, n)
	for i := range readers {
		readers[i] = bytes.NewReader(header)
	}
	return io.MultiReader(readers...)
}

func TestBounded(t *testing.T) {
	b := &bounded{r: bytes.NewReader(make([]byte, 10)), compressed: &tally{n: 1}, n: freeExpansion}
	if _, err := io.ReadAll(b); err == nil || !strings.Contains(err.Error(), "expand") {
		t.Errorf("got %v", err)
	}
	b = &bounded{r: bytes.NewReader(make([]byte, 10)), compressed: &tally{n: freeExpansion / 100}, n: freeExpansion}
	if _, err := io.ReadAll(b); err != nil {
		t.Error(err)
	}
}

func FuzzSurvey(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, 1024))
	t := &testing.T{}
	f.Add(files{"manifest.json": []byte("[]"), "index.json@": []byte("/etc/passwd")}.tar(t))
	f.Fuzz(func(t *testing.T, content []byte) {
		kind, err := survey(bytes.NewReader(content))
		if (kind == noArchive) != (err != nil) {
			t.Errorf("%v, %v", kind, err)
		}
	})
}

// FuzzUnpackLayout: whatever the archive, only files of a layout appear, and only in the directory.
func FuzzUnpackLayout(f *testing.F) {
	t := &testing.T{}
	f.Add(files{"index.json": []byte("{}"), "blobs/sha256/" + strings.Repeat("0", 64): []byte("x")}.tar(t))
	f.Add(files{"blobs@": []byte("/tmp"), "blobs/sha256/" + strings.Repeat("0", 64): []byte("x")}.tar(t))
	f.Add(files{"../index.json": []byte("{}"), "/index.json": []byte("{}"), "index.json@": []byte("../out")}.tar(t))
	f.Fuzz(func(t *testing.T, content []byte) {
		above := t.TempDir()
		archive, dir := filepath.Join(above, "a.tar"), filepath.Join(above, "dir")
		writeFile(t, archive, string(content))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		_ = unpackLayout(archive, dir)
		checkOnlyLayout(t, above)
	})
}

func checkOnlyLayout(t *testing.T, above string) {
	t.Helper()
	err := filepath.WalkDir(above, func(path string, entry os.DirEntry, err error) error {
		name, inside := strings.CutPrefix(path, filepath.Join(above, "dir")+"/")
		switch {
		case err != nil:
			return err
		case entry.IsDir():
		case !inside && path != filepath.Join(above, "a.tar"), inside && !layoutFile.MatchString(name), !entry.Type().IsRegular():
			t.Errorf("%s %v appeared", path, entry.Type())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func FuzzReadIndex(f *testing.F) {
	f.Add([]byte(`{"manifests":[{"digest":"sha256:0","annotations":{"a":"b"}}]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, content []byte) {
		index, err := readIndex(bytes.NewReader(content))
		if (index == nil) != (err != nil) {
			t.Errorf("%v, %v", index, err)
		}
		if err == nil && len(index.Manifests) == 0 {
			t.Error("no manifest and no error")
		}
	})
}

func TestReadIndexTooLarge(t *testing.T) {
	if _, err := readIndex(bytes.NewReader(make([]byte, maxIndex+1))); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("got %v", err)
	}
}

func TestParsePlace(t *testing.T) {
	for _, test := range []struct {
		in   string
		want Place
		ok   bool
	}{
		{"docker-archive:a.tar", Place{DockerArchive, "a.tar", ""}, true},
		{"docker-archive:/a/b.tar:nginx:1.21", Place{DockerArchive, "/a/b.tar", "nginx:1.21"}, true},
		{"oci-archive:a.tar:x", Place{OCIArchive, "a.tar", "x"}, true},
		{"oci:dir:host:5000/a", Place{OCILayout, "dir", "host:5000/a"}, true},
		{"dir:a:b", Place{Directory, "a:b", ""}, true},
		{"nginx", Place{}, false}, {"nginx:1.21", Place{}, false}, {"docker:24", Place{}, false}, {"localhost:5000/oci:1", Place{}, false},
		{"docker://nginx", Place{}, false}, {"", Place{}, false},
	} {
		p, ok, err := ParsePlace(test.in)
		if p != test.want || ok != test.ok || err != nil {
			t.Errorf("%s: %+v, %v, %v", test.in, p, ok, err)
		}
		if ok && p.String() != test.in {
			t.Errorf("%s becomes %s", test.in, p)
		}
	}
	if _, ok, err := ParsePlace("oci:"); !ok || err == nil {
		t.Errorf("no path: %v, %v", ok, err)
	}
	t.Chdir(t.TempDir())
	p, err := Place{DockerArchive, "a.tar", "x"}.Absolute()
	if wd, _ := os.Getwd(); err != nil || p != (Place{DockerArchive, filepath.Join(wd, "a.tar"), "x"}) {
		t.Errorf("absolute: %+v, %v", p, err)
	}
	if _, err := (Place{OCIArchive, "/a:b/c.tar", ""}).Absolute(); err == nil {
		t.Error("a colon in a directory was taken for the end of the path")
	}
}

func FuzzParsePlace(f *testing.F) {
	for _, s := range []string{"oci:a:b", "dir:", "docker-archive:a::", "docker://a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, ok, err := ParsePlace(s)
		if !ok || err != nil {
			return
		}
		again, ok, err := ParsePlace(p.String())
		if again != p || !ok || err != nil {
			t.Errorf("%q: %+v, then %+v, %v, %v", s, p, again, ok, err)
		}
	})
}

func TestLocalName(t *testing.T) {
	for in, want := range map[string]string{
		"busybox": "localhost/busybox:latest", "team/app:1": "localhost/team/app:1", "docker.io/busybox:1": "docker.io/library/busybox:1",
		"host:5000/a": "host:5000/a:latest", "localhost/a": "localhost/a:latest",
	} {
		if got, err := localName(in); err != nil || got.String() != want {
			t.Errorf("%s: %v, %v; want %s", in, got, err, want)
		}
	}
	if _, err := localName("No"); !errors.Is(err, ErrInvalidReference) {
		t.Errorf("got %v", err)
	}
}
