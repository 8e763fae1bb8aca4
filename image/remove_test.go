package image

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.podman.io/storage"
)

// usedBy is a guard that knows one image in use.
func usedBy(id, user string) Guard {
	return func(other string, remove func() error) error {
		if other == id {
			return &InUse{Users: []string{user}}
		}
		return remove()
	}
}

func TestTag(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	loadTwo(t, s)
	if err := s.Tag("app:1", []string{"host.example/b", "other:latest"}); err != nil {
		t.Fatal(err)
	}
	image, err := s.Get("host.example/b:latest")
	if err != nil || image.ID != appID(t) || len(image.Names) != 4 {
		t.Errorf("got %+v, %v", image, err)
	}
	if image, err := s.Get("other"); err != nil || image.ID != appID(t) {
		t.Errorf("a name that moved: %+v, %v", image, err)
	}
	if err := s.Untag("app:1", []string{"app:2", "host.example/b"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Untag("app:1", []string{"app:2"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a name that is gone: %v", err)
	}
	if err := s.Untag(appID(t), nil); err != nil {
		t.Fatal(err)
	}
	if image, err := s.Get(appID(t)); err != nil || len(image.Names) != 0 {
		t.Errorf("got %+v, %v", image, err)
	}
	for _, name := range []string{"No", "a@sha256:" + strings.Repeat("0", 64), ""} {
		if err := s.Tag(appID(t), []string{name}); !errors.Is(err, ErrInvalidReference) {
			t.Errorf("tag %q: %v", name, err)
		}
	}
	if err := s.Tag("none", []string{"a"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestRemoveNames(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	loadTwo(t, s)
	id := appID(t)
	if err := s.Tag("app:1", []string{"host.example/b"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Remove(id, RemoveOptions{}); err == nil || !strings.Contains(err.Error(), "several repositories") {
		t.Errorf("by id, with names of two repositories: %v", err)
	}
	removed, err := s.Remove("host.example/b", RemoveOptions{Guard: usedBy(id, "me")})
	if err != nil || removed.Deleted != "" || !slices.Equal(removed.Untagged, []string{"host.example/b:latest"}) {
		t.Errorf("one of several names: %+v, %v", removed, err)
	}
	image, err := s.Get(id)
	if err != nil {
		t.Fatal(err)
	}
	removed, err = s.Remove("app@"+image.Digest.String(), RemoveOptions{})
	if err != nil || removed.Deleted != id || len(removed.Untagged) != 2 || removed.Reclaimed <= 0 {
		t.Errorf("by digest: %+v, %v", removed, err)
	}
	if _, err := s.Remove("app:1", RemoveOptions{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("again: %v", err)
	}
	if _, err := s.Get("other"); err != nil {
		t.Errorf("the image that shares a layer: %v", err)
	}
}

func TestRemoveUsed(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	loadTwo(t, s)
	id := appID(t)
	guard := usedBy(id, "Pod default/demo")
	if err := s.Untag(id, []string{"app:2"}); err != nil {
		t.Fatal(err)
	}
	for _, o := range []RemoveOptions{{Guard: guard}, {Guard: guard, Force: true}} {
		_, err := s.Remove(id, o)
		var used *InUse
		if !errors.Is(err, ErrInUse) || !errors.As(err, &used) || err.Error() != "image localhost/app:1 is used by Pod default/demo" {
			t.Errorf("%+v: %v", o.Force, err)
		}
	}
	if _, err := s.Remove("app:1", RemoveOptions{Guard: guard}); !errors.Is(err, ErrInUse) {
		t.Errorf("its last name: %v", err)
	}
	removed, err := s.Remove("app:1", RemoveOptions{Guard: guard, Force: true})
	if err != nil || removed.Deleted != "" || !slices.Equal(removed.Untagged, []string{"localhost/app:1"}) {
		t.Errorf("its last name by force: %+v, %v", removed, err)
	}
	image, err := s.Get(id)
	if err != nil || len(image.Names) > 0 {
		t.Fatalf("got %+v, %v", image, err)
	}
	checkMerged(t, image)
}

// A container of podman or buildah keeps its image, whatever the force.
func TestRemoveUsedByOthers(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	loadTwo(t, s)
	container, err := s.storage.CreateContainer("", []string{"working"}, appID(t), "", "", &storage.ContainerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Remove(appID(t), RemoveOptions{Force: true}); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "working") {
		t.Errorf("got %v", err)
	}
	removed, err := s.Prune(t.Context(), PruneOptions{All: true})
	if err != nil || len(removed) != 1 {
		t.Errorf("pruned %+v, %v; want the other one", removed, err)
	}
	if _, err := s.Get("app:1"); err != nil {
		t.Error(err)
	}
	if err := s.storage.DeleteContainer(container.ID); err != nil {
		t.Fatal(err)
	}
	removeAllImages(t, s)
}

func TestPrune(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	loadTwo(t, s)
	if removed, err := s.Prune(t.Context(), PruneOptions{}); err != nil || len(removed) != 0 {
		t.Errorf("nothing is dangling: %+v, %v", removed, err)
	}
	if err := s.Untag("other", nil); err != nil {
		t.Fatal(err)
	}
	old, err := ParseFilter([]string{"until=2020-01-01"}, PruneFilters, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if removed, err := s.Prune(t.Context(), PruneOptions{All: true, Filter: old}); err != nil || len(removed) != 0 {
		t.Errorf("nothing is that old: %+v, %v", removed, err)
	}
	removed, err := s.Prune(t.Context(), PruneOptions{})
	if err != nil || len(removed) != 1 || removed[0].Deleted == "" || removed[0].Reclaimed != 0 {
		t.Errorf("the one without a name, whose layer is shared: %+v, %v", removed, err)
	}
	if removed, err := s.Prune(t.Context(), PruneOptions{All: true, Guard: usedBy(appID(t), "me")}); err != nil || len(removed) != 0 {
		t.Errorf("it is used: %+v, %v", removed, err)
	}
	removed, err = s.Prune(t.Context(), PruneOptions{All: true})
	if err != nil || len(removed) != 1 || removed[0].Deleted != appID(t) || removed[0].Reclaimed <= 0 {
		t.Errorf("all: %+v, %v", removed, err)
	}
	removeAllImages(t, s)
}

func TestInspect(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	b := build(t, smallImage())
	b.config.Author = "somebody"
	config := strings.Replace(string(marshal(t, b.config)), `"config":{`, `"config":{"Healthcheck":{"Test":["CMD","true"]},`, 1)
	delete(b.blobs, b.manifest.Config.Digest)
	b.manifest.Config = b.add(b.manifest.Config.MediaType, []byte(config))
	if _, err := s.Load(t.Context(), strings.NewReader(string(ociFiles(t, "app:1", b).tar(t))), LoadOptions{}); err != nil {
		t.Fatal(err)
	}
	d, err := s.Inspect(t.Context(), "app:1")
	if err != nil {
		t.Fatal(err)
	}
	if d.Full.Author != "somebody" || string(d.Healthcheck) != `{"Test":["CMD","true"]}` || !slices.Equal(d.DiffIDs, b.config.RootFS.DiffIDs) ||
		!slices.Equal(d.RepoDigests, []string{"localhost/app@" + d.Digest.String()}) || d.ManifestType != b.manifest.MediaType {
		t.Errorf("got %+v", d)
	}
	if _, err := s.Inspect(t.Context(), "none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestNameFor(t *testing.T) {
	image := &Image{Names: []string{"localhost/x:1", "docker.io/library/nginx:latest", "registry.example/team/app:1"}}
	for ref, want := range map[string]string{
		"nginx": "docker.io/library/nginx:latest", "docker://docker.io/nginx": "docker.io/library/nginx:latest",
		"team/app:1": "registry.example/team/app:1", "registry.example/team/app:1": "registry.example/team/app:1",
		"x:1": "localhost/x:1", "unknown": "localhost/x:1", "0123": "localhost/x:1",
	} {
		if got := image.NameFor(ref); got != want {
			t.Errorf("%s: %s, want %s", ref, got, want)
		}
	}
	if got := (&Image{}).NameFor("a"); got != "" {
		t.Errorf("no names: %q", got)
	}
}
