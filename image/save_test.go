package image

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What Save writes Load reads, and the images keep their ids.
func TestSaveLoad(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	for _, format := range []string{DockerArchive, OCIArchive} {
		t.Run(format, func(t *testing.T) {
			loadTwo(t, s)
			var archive, again bytes.Buffer
			refs := []string{"localhost/app:1", "other", "app:2"}
			if err := s.Save(t.Context(), refs, format, &archive, nil); err != nil {
				t.Fatal(err)
			}
			if err := s.Save(t.Context(), refs, format, &again, nil); err != nil || !bytes.Equal(archive.Bytes(), again.Bytes()) {
				t.Errorf("the same images gave another archive (%v)", err)
			}
			removeAllImages(t, s)
			loaded, err := s.Load(t.Context(), &archive, LoadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			checkTwo(t, s)
			if len(loaded) != 3 {
				t.Errorf("loaded %+v", loaded)
			}
			removeAllImages(t, s)
		})
	}
	for _, format := range []string{OCILayout, Directory} {
		t.Run(format, func(t *testing.T) {
			loadTwo(t, s)
			refs := []string{"app:1", "app:2", "other"}
			if format == Directory {
				refs = refs[:1]
			}
			dir := filepath.Join(t.TempDir(), "out")
			if err := s.SaveDirectory(t.Context(), refs, format, dir, nil); err != nil {
				t.Fatal(err)
			}
			removeAllImages(t, s)
			loaded, err := s.PullFrom(t.Context(), Place{Transport: format, Path: dir}, LoadOptions{})
			if err != nil || len(loaded) != len(refs) || loaded[0].ID != appID(t) {
				t.Fatalf("loaded %+v, %v", loaded, err)
			}
			if err := s.SaveDirectory(t.Context(), []string{loaded[0].ID}, format, dir, nil); err == nil || !strings.Contains(err.Error(), "not empty") {
				t.Errorf("over another directory: %v", err)
			}
			removeAllImages(t, s)
		})
	}
}

func appID(t *testing.T) string { return build(t, smallImage()).manifest.Config.Digest.Encoded() }

// otherImage shares a layer with the small one.
func otherImage() testImage { return testImage{layers: smallImage().layers[:1]} }

// loadTwo loads app:1, which is app:2 too, and other.
func loadTwo(t *testing.T, s *Store) {
	t.Helper()
	for name, image := range map[string]testImage{"app:1": smallImage(), "other:latest": otherImage()} {
		if _, err := s.Load(t.Context(), bytes.NewReader(ociFiles(t, name, build(t, image)).tar(t)), LoadOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Tag("app:1", []string{"app:2"}); err != nil {
		t.Fatal(err)
	}
	checkTwo(t, s)
}

func checkTwo(t *testing.T, s *Store) {
	t.Helper()
	for name, image := range map[string]testImage{"localhost/app:1": smallImage(), "localhost/app:2": smallImage(), "localhost/other:latest": otherImage()} {
		got, err := s.Get(name)
		if want := build(t, image).manifest.Config.Digest.Encoded(); err != nil || got.ID != want {
			t.Errorf("%s: %+v, %v; want id %s", name, got, err, want)
		}
	}
}

func TestSaveErrors(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	loadTwo(t, s)
	if err := s.Save(t.Context(), []string{"app:1", "none"}, DockerArchive, io.Discard, nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("one is missing: %v", err)
	}
	if err := s.Save(t.Context(), nil, DockerArchive, io.Discard, nil); err == nil {
		t.Error("nothing was saved without an error")
	}
	if err := s.Save(t.Context(), []string{"app:1"}, "zip", io.Discard, nil); err == nil || !strings.Contains(err.Error(), `"zip"`) {
		t.Errorf("unknown format: %v", err)
	}
	full := errors.New("no space left on device")
	for _, format := range []string{DockerArchive, OCIArchive} {
		if err := s.Save(t.Context(), []string{"app:1"}, format, &fullAfter{n: 1000, err: full}, nil); !errors.Is(err, full) {
			t.Errorf("%s: %v, want the writer's error", format, err)
		}
	}
	dir := t.TempDir()
	if err := s.SaveDirectory(t.Context(), []string{"app:1", "other"}, Directory, filepath.Join(dir, "a"), nil); err == nil {
		t.Error("two images in a dir")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.SaveDirectory(ctx, []string{"app:1"}, OCILayout, filepath.Join(dir, "a"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := s.SaveDirectory(t.Context(), []string{"app:1"}, OCILayout, filepath.Join(dir, "no", "a"), nil); err == nil {
		t.Error("saved into a directory that is not there")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if left, err := os.ReadDir(s.scratch.Name()); err != nil || len(left) > 0 {
		t.Errorf("scratch files left: %v, %v", left, err)
	}
}

// fullAfter fails after n bytes.
type fullAfter struct {
	n   int
	err error
}

func (f *fullAfter) Write(p []byte) (int, error) {
	if f.n -= len(p); f.n < 0 {
		return 0, f.err
	}
	return len(p), nil
}

// skopeo reads our archives, and finds the images that are in them.
func TestSavedReadBySkopeo(t *testing.T) {
	requireTool(t, "skopeo")
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	loadTwo(t, s)
	dir := t.TempDir()
	for _, format := range []string{DockerArchive, OCIArchive, OCILayout, Directory} {
		file := filepath.Join(dir, format)
		switch format {
		case DockerArchive, OCIArchive:
			f, err := os.Create(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(s.Save(t.Context(), []string{"app:1"}, format, f, nil), f.Close()); err != nil {
				t.Fatal(err)
			}
		default:
			if err := s.SaveDirectory(t.Context(), []string{"app:1"}, format, file, nil); err != nil {
				t.Fatal(err)
			}
		}
		out, err := exec.Command("skopeo", "inspect", "--config", format+":"+file).CombinedOutput()
		if err != nil || !strings.Contains(string(out), build(t, smallImage()).config.RootFS.DiffIDs[1].String()) {
			t.Errorf("%s: %v\n%s", format, err, out)
		}
		// Copying reads every byte and checks it.
		if out, err := exec.Command("skopeo", "copy", format+":"+file, "dir:"+filepath.Join(dir, "copy-"+format)).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", format, err, out)
		}
	}
}

// What skopeo writes we read.
func TestLoadWrittenBySkopeo(t *testing.T) {
	requireTool(t, "skopeo")
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	dir := t.TempDir()
	from := "oci:" + ociFiles(t, "app:1", build(t, smallImage())).directory(t)
	for _, transport := range []string{DockerArchive, OCIArchive} {
		file := filepath.Join(dir, transport)
		if out, err := exec.Command("skopeo", "copy", from, transport+":"+file+":registry.example/app:1").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, archive := range [][]byte{content, gzipped(t, content)} {
			loaded, err := s.Load(t.Context(), bytes.NewReader(archive), LoadOptions{})
			checkLoaded(t, loaded, err, []string{"registry.example/app:1 " + appID(t)})
			removeAllImages(t, s)
		}
	}
}

func requireTool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if os.Getenv("PEAPOD_TEST_REQUIRE") != "" {
		t.Fatal(name + " is not installed")
	}
	t.Skip(name + " is not installed")
}

// podman loads our archives, into a store of its own.
func TestSavedReadByPodman(t *testing.T) {
	requireTool(t, "podman")
	if !inNamespace(t) {
		return
	}
	if os.Getenv(insideVariable) == "single" {
		t.Skip("podman's vfs driver needs subordinate ids")
	}
	s := openStore(t)
	loadTwo(t, s)
	dir := t.TempDir()
	podman := func(args ...string) string {
		t.Helper()
		own := []string{"--root", dir + "/root", "--runroot", dir + "/run", "--tmpdir", dir + "/tmp", "--events-backend", "file", "--storage-driver", "vfs"}
		out, err := exec.Command("podman", append(own, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("podman %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	for _, format := range []string{DockerArchive, OCIArchive} {
		var archive bytes.Buffer
		if err := s.Save(t.Context(), []string{"app:1"}, format, &archive, nil); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, format)
		writeFile(t, file, archive.String())
		if out := podman("load", "-q", "-i", file); !strings.Contains(out, "Loaded image: localhost/app:1") {
			t.Errorf("%s: %s", format, out)
		}
		if out := podman("images", "-q", "--no-trunc"); !strings.Contains(out, appID(t)) {
			t.Errorf("%s: %s", format, out)
		}
		podman("rmi", "-af")
	}
}
