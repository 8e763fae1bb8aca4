package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/peapod/peapod/rootless/api"
)

func TestPull(t *testing.T) {
	b, c := node(t)
	for range 20 {
		b.Progress = append(b.Progress, api.PullProgress{Layer: "sha256:1", Offset: 1, Total: 2})
	}
	var lines []api.PullProgress
	report := func(line api.PullProgress) { lines = append(lines, line) }
	request := api.PullRequest{
		Reference: "docker.io/library/busybox:latest", Platform: "linux/arm64", Insecure: true,
		Credentials: api.Credentials{Username: "me", Password: "secret"},
	}
	loaded, err := c.Pull(t.Context(), request, report)
	if err != nil || loaded[0].Name != "docker.io/library/busybox:latest" || !reflect.DeepEqual(lines, b.Progress) {
		t.Errorf("got %v, %v, %v", loaded, lines, err)
	}
	if !reflect.DeepEqual(b.Requests, []any{request}) {
		t.Errorf("the node got %+v", b.Requests)
	}
	if _, err = c.Pull(t.Context(), api.PullRequest{Reference: "missing"}, report); err == nil || err.Error() != "pull missing: manifest unknown" {
		t.Errorf("got %v", err)
	}
	pushed, err := c.Push(t.Context(), api.PushRequest{Reference: "a", Destination: "b"}, report)
	if err != nil || pushed.Name != "b" || pushed.Size != 123 {
		t.Errorf("push: %+v, %v", pushed, err)
	}
}

func TestLoad(t *testing.T) {
	b, c := node(t)
	b.Progress = []api.PullProgress{{Layer: "sha256:1", Done: true}}
	lines := 0
	report := func(api.PullProgress) { lines++ }
	loaded, err := c.Load(t.Context(), strings.NewReader("a\nb\n"), report)
	if err != nil || len(loaded) != 2 || loaded[1].Name != "b" || lines != 1 {
		t.Errorf("load: %+v, %v after %d lines", loaded, err, lines)
	}
	loaded, err = c.Load(t.Context(), strings.NewReader("a\nbroken\n"), report)
	if err == nil || err.Error() != "load image broken: it is" || len(loaded) != 1 {
		t.Errorf("load of half an archive: %+v, %v", loaded, err)
	}
	if _, err = c.Load(t.Context(), strings.NewReader(""), report); err == nil || err.Error() != "the archive is cut off" {
		t.Errorf("load of nothing: %v", err)
	}
}

// The node says what is wrong before it has all, and there is much more to come than fits into a socket.
func TestLoadRefused(t *testing.T) {
	_, c := node(t)
	for range 20 {
		archive := io.MultiReader(strings.NewReader("broken\n"), zeroes{})
		if _, err := c.Load(t.Context(), archive, func(api.PullProgress) {}); err == nil || err.Error() != "load image broken: it is" {
			t.Fatalf("got %v", err)
		}
	}
}

// zeroes never ends.
type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// An archive that cannot be read to its end is not loaded as if that were all.
func TestLoadBreaksOff(t *testing.T) {
	_, c := node(t)
	cause := errors.New("the disk is on fire")
	_, err := c.Load(t.Context(), io.MultiReader(strings.NewReader("a\n"), failing{cause}), func(api.PullProgress) {})
	if err == nil {
		t.Error("loaded")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Load(ctx, zeroes{}, func(api.PullProgress) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestSave(t *testing.T) {
	b, c := node(t)
	var archive bytes.Buffer
	if err := c.Save(t.Context(), []string{"a", "b"}, "oci-archive", &archive); err != nil || archive.String() != "oci-archive a\noci-archive b\n" {
		t.Errorf("save: %q, %v", archive.String(), err)
	}
	err := c.Save(t.Context(), []string{"a", "broken"}, "docker-archive", &archive)
	if err == nil || err.Error() != "save images:\nbroken: unmöglich" {
		t.Errorf("an error on the way: %v", err)
	}
	if err := c.Save(t.Context(), []string{"missing"}, "docker-archive", &archive); err == nil {
		t.Error("a missing image was saved")
	}
	b.Requests = nil
	if err := c.SaveDirectory(t.Context(), []string{"a"}, "oci", "/a b"); err != nil {
		t.Error(err)
	}
	if want := []any{api.SaveRequest{References: []string{"a"}, Format: "oci", Directory: "/a b"}}; !reflect.DeepEqual(b.Requests, want) {
		t.Errorf("the node got %+v, want %+v", b.Requests, want)
	}
}

func TestImageRequests(t *testing.T) {
	b, c := node(t)
	b.ImageList = []api.Image{{ID: "1"}, {ID: "2", Names: []string{"a"}, Size: 3, Labels: map[string]string{"k": "v"}}}
	b.UsedBy = map[string]string{"used": "Pod default/demo"}
	list, err := c.Images(t.Context(), "label=k=v", "dangling=false")
	if err != nil || !reflect.DeepEqual(list, b.ImageList) {
		t.Errorf("list: %+v, %v", list, err)
	}
	if details, err := c.InspectImage(t.Context(), "a"); err != nil || details.RepoTags[0] != "a" || details.ID() != details.Id {
		t.Errorf("inspect: %+v, %v", details, err)
	}
	tag := api.TagRequest{Reference: "a", Names: []string{"b", "c"}, Remove: true}
	if err := c.Tag(t.Context(), tag); err != nil {
		t.Error(err)
	}
	if _, err := c.RemoveImage(t.Context(), "used", false); err == nil || !strings.Contains(err.Error(), "Pod default/demo") {
		t.Errorf("remove: %v", err)
	}
	if removed, err := c.RemoveImage(t.Context(), "used", true); err != nil || removed.Deleted != "" || removed.Untagged[0] != "used" {
		t.Errorf("remove by force: %+v, %v", removed, err)
	}
	prune := api.PruneRequest{All: true, Filters: []string{"until=1h"}}
	if removed, err := c.PruneImages(t.Context(), prune); err != nil || len(removed) != 2 || removed[1].Reclaimed != 3 {
		t.Errorf("prune: %+v, %v", removed, err)
	}
	if want := []any{[]string{"label=k=v", "dangling=false"}, tag, prune}; !reflect.DeepEqual(b.Requests, want) {
		t.Errorf("the node got %+v, want %+v", b.Requests, want)
	}
}
