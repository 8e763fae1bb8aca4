package apitest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/peapod/peapod/rootless/api"
)

// Images is api.Backend's. The filters are not looked at.
func (b *Backend) Images(filters []string) ([]api.Image, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note(filters)
	for _, filter := range filters {
		if !strings.Contains(filter, "=") {
			return nil, apierrors.NewBadRequest("filter \"" + filter + "\": want a value")
		}
	}
	return slices.Clone(b.ImageList), nil
}

// note keeps a request. Precondition: b.mu is held.
func (b *Backend) note(request any) { b.Requests = append(b.Requests, request) }

func missing(reference string) error {
	if !strings.Contains(reference, "missing") {
		return nil
	}
	err := apierrors.NewNotFound(schema.GroupResource{Resource: "images"}, reference)
	err.ErrStatus.Message = fmt.Sprintf("image %q: no such image", reference)
	return err
}

// InspectImage is api.Backend's.
func (b *Backend) InspectImage(_ context.Context, reference string) (*api.ImageDetails, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	details, ok := b.Details[reference]
	if !ok {
		details = api.ImageDetails{Id: "sha256:" + strings.Repeat("ab", 32), RepoTags: []string{reference}}
	}
	return &details, missing(reference)
}

// report reports Progress from two goroutines.
func (b *Backend) report(request any, report func(api.PullProgress)) {
	b.mu.Lock()
	b.note(request)
	lines := slices.Clone(b.Progress)
	b.mu.Unlock()
	var group sync.WaitGroup
	half := len(lines) / 2
	for _, part := range [][]api.PullProgress{lines[:half], lines[half:]} {
		group.Go(func() {
			for _, line := range part {
				report(line)
			}
		})
	}
	group.Wait()
}

// Pull is api.Backend's.
func (b *Backend) Pull(_ context.Context, request api.PullRequest, report func(api.PullProgress)) ([]api.LoadedImage, error) {
	b.report(request, report)
	if missing(request.Reference) != nil {
		return nil, errors.New("pull " + request.Reference + ": manifest unknown")
	}
	return []api.LoadedImage{{Name: request.Reference, ID: "sha256:" + strings.Repeat("ab", 32)}}, nil
}

// Load is api.Backend's: an archive is lines with images' names; an empty one stands for an image without. At a line
// "broken" it fails.
func (b *Backend) Load(_ context.Context, archive io.Reader, report func(api.PullProgress)) ([]api.LoadedImage, error) {
	var loaded []api.LoadedImage
	text, err := io.ReadAll(io.LimitReader(archive, 1<<10))
	if err != nil || len(text) == 0 {
		return nil, errors.New("the archive is cut off")
	}
	b.report("load", report)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "broken" {
			return loaded, errors.New("load image broken: it is")
		}
		loaded = append(loaded, api.LoadedImage{Name: line, ID: strings.Repeat("ab", 32)})
	}
	return loaded, nil
}

// Save is api.Backend's: it writes the names. At one that contains "broken" it fails.
func (b *Backend) Save(_ context.Context, request api.SaveRequest, w io.Writer) error {
	b.mu.Lock()
	b.note(request)
	b.mu.Unlock()
	for _, reference := range request.References {
		if err := missing(reference); err != nil {
			return err
		}
		if strings.Contains(reference, "broken") {
			return errors.New("save images:\n" + reference + ": unmöglich")
		}
		if w == nil {
			continue
		}
		if _, err := fmt.Fprintln(w, request.Format, reference); err != nil {
			return err
		}
	}
	return nil
}

// Push is api.Backend's.
func (b *Backend) Push(_ context.Context, request api.PushRequest, report func(api.PullProgress)) (*api.PushedImage, error) {
	b.report(request, report)
	to := request.Reference
	if request.Destination != "" {
		to = request.Destination
	}
	return &api.PushedImage{Name: to, Digest: "sha256:" + strings.Repeat("cd", 32), Size: 123}, missing(request.Reference)
}

// Tag is api.Backend's.
func (b *Backend) Tag(request api.TagRequest) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note(request)
	return missing(request.Reference)
}

// RemoveImage is api.Backend's: an id is deleted, a name is untagged first.
func (b *Backend) RemoveImage(reference string, force bool) (*api.RemovedImage, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := missing(reference); err != nil {
		return nil, err
	}
	removed := &api.RemovedImage{Untagged: []string{reference}}
	user := b.UsedBy[reference]
	if user != "" && !force {
		err := apierrors.NewConflict(schema.GroupResource{Resource: "images"}, reference, nil)
		err.ErrStatus.Message = fmt.Sprintf("image %s is used by %s", reference, user)
		return nil, err
	}
	if user == "" {
		removed.Deleted = strings.Repeat("ab", 32)
	}
	return removed, nil
}

// PruneImages is api.Backend's: everything in ImageList goes that has no name, or with All all.
func (b *Backend) PruneImages(_ context.Context, request api.PruneRequest) ([]api.RemovedImage, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note(request)
	var removed []api.RemovedImage
	b.ImageList = slices.DeleteFunc(b.ImageList, func(image api.Image) bool {
		if len(image.Names) > 0 && !request.All {
			return false
		}
		removed = append(removed, api.RemovedImage{Untagged: image.Names, Deleted: image.ID, Reclaimed: image.Size})
		return true
	})
	return removed, nil
}
