package node

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/peapod/peapod/image"
	"github.com/peapod/peapod/rootless/api"
)

// begin notes work on the store, which is not closed before it ends, and returns what notes the end.
func (n *Node) begin() (end func()) {
	n.work.Add(1)
	return func() {
		n.freeSoon()
		n.work.Done()
	}
}

// Images is in api.Backend.
func (n *Node) Images(filters []string) ([]api.Image, error) {
	filter, err := image.ParseFilter(filters, image.ListFilters, time.Now())
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	list, err := n.images.Select(filter)
	if err != nil {
		return nil, imageError(err)
	}
	images := make([]api.Image, len(list))
	for i := range list {
		images[i] = describeImage(&list[i])
	}
	return images, nil
}

func describeImage(i *image.Image) api.Image {
	return api.Image{
		ID: i.ID, Names: i.Names, Digest: string(i.Digest), Size: i.Size, Created: i.Created, Labels: i.Config.Labels,
	}
}

// InspectImage is in api.Backend.
func (n *Node) InspectImage(ctx context.Context, reference string) (*api.ImageDetails, error) {
	d, err := n.images.Inspect(ctx, reference)
	if err != nil {
		return nil, imageError(err)
	}
	details := &api.ImageDetails{
		Id: "sha256:" + d.ID, RepoTags: d.Names, RepoDigests: d.RepoDigests, Digest: d.Digest.String(),
		Created: d.Created, Author: d.Full.Author, Architecture: d.Full.Architecture, Variant: d.Full.Variant, Os: d.Full.OS,
		Config: api.ImageConfig{ImageConfig: d.Config, Healthcheck: d.Healthcheck}, Labels: d.Config.Labels,
		Size: d.Size, VirtualSize: d.Size, ManifestType: d.ManifestType, History: d.Full.History,
		GraphDriver: api.GraphDriver{Name: "overlay", Data: map[string]string{}}, RootFS: api.RootFS{Type: d.Full.RootFS.Type},
	}
	if len(d.Full.History) > 0 {
		details.Comment = d.Full.History[len(d.Full.History)-1].Comment
	}
	for _, layer := range d.Full.RootFS.DiffIDs {
		details.RootFS.Layers = append(details.RootFS.Layers, layer.String())
	}
	if len(d.Lowers) > 0 {
		details.GraphDriver.Data["UpperDir"] = d.Lowers[0]
	}
	if len(d.Lowers) > 1 {
		details.GraphDriver.Data["LowerDir"] = strings.Join(d.Lowers[1:], ":")
	}
	return details, nil
}

// imageError gives an error of the store the status that it has for a client.
func imageError(err error) error {
	resource := schema.GroupResource{Resource: "images"}
	var status *apierrors.StatusError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, image.ErrNotFound):
		status = apierrors.NewNotFound(resource, "")
	case errors.Is(err, image.ErrInUse):
		status = apierrors.NewConflict(resource, "", err)
	case errors.Is(err, image.ErrInvalidReference):
		status = apierrors.NewBadRequest("")
	default:
		return err
	}
	status.ErrStatus.Message = err.Error()
	return status
}

// progressTo hands a transfer's progress on.
func progressTo(report func(api.PullProgress)) func(image.Progress) {
	return func(p image.Progress) {
		report(api.PullProgress{Message: p.Message, Layer: string(p.Layer), Offset: p.Offset, Total: p.Total, Done: p.Done})
	}
}

// Pull is in api.Backend.
func (n *Node) Pull(ctx context.Context, request api.PullRequest, report func(api.PullProgress)) ([]api.LoadedImage, error) {
	place, isPlace, err := image.ParsePlace(request.Reference)
	if err != nil {
		return nil, err
	}
	if isPlace {
		defer n.begin()()
		loaded, err := n.images.PullFrom(ctx, place, image.LoadOptions{Report: progressTo(report), Platform: request.Platform})
		return describeLoaded(loaded), err
	}
	reference := image.TrimDocker(request.Reference)
	pulled, err := n.pull(ctx, reference, image.PullOptions{
		Report: progressTo(report), Platform: request.Platform, Insecure: request.Insecure,
		Username: request.Username, Password: request.Password,
	})
	if err != nil {
		return nil, err
	}
	return []api.LoadedImage{{Name: pulled.NameFor(reference), ID: pulled.ID}}, nil
}

func (n *Node) pull(ctx context.Context, reference string, o image.PullOptions) (*image.Image, error) {
	defer n.begin()()
	return n.images.Pull(ctx, reference, o)
}

func describeLoaded(loaded []image.Loaded) []api.LoadedImage {
	var list []api.LoadedImage
	for _, one := range loaded {
		list = append(list, api.LoadedImage{Name: one.Name, ID: one.ID})
	}
	return list
}

// Load is in api.Backend.
func (n *Node) Load(ctx context.Context, archive io.Reader, report func(api.PullProgress)) ([]api.LoadedImage, error) {
	defer n.begin()()
	loaded, err := n.images.Load(ctx, archive, image.LoadOptions{Report: progressTo(report)})
	return describeLoaded(loaded), err
}

// Save is in api.Backend.
func (n *Node) Save(ctx context.Context, request api.SaveRequest, w io.Writer) error {
	defer n.begin()()
	if request.Directory != "" {
		return imageError(n.images.SaveDirectory(ctx, request.References, request.Format, request.Directory, nil))
	}
	return n.images.Save(ctx, request.References, request.Format, w, nil)
}

// Push is in api.Backend.
func (n *Node) Push(ctx context.Context, request api.PushRequest, report func(api.PullProgress)) (*api.PushedImage, error) {
	defer n.begin()()
	pushed, err := n.images.Push(ctx, request.Reference, request.Destination, image.PushOptions{
		Report: progressTo(report), Insecure: request.Insecure, Username: request.Username, Password: request.Password,
	})
	if err != nil {
		return nil, err
	}
	return &api.PushedImage{Name: pushed.Name, Digest: pushed.Digest.String(), Size: pushed.Size}, nil
}

// Tag is in api.Backend.
func (n *Node) Tag(request api.TagRequest) error {
	if request.Remove {
		return imageError(n.images.Untag(request.Reference, request.Names))
	}
	return imageError(n.images.Tag(request.Reference, request.Names))
}

// RemoveImage is in api.Backend.
func (n *Node) RemoveImage(reference string, force bool) (*api.RemovedImage, error) {
	defer n.begin()()
	removed, err := n.images.Remove(reference, image.RemoveOptions{Force: force, Guard: n.guard})
	if err != nil {
		return nil, imageError(err)
	}
	return describeRemoved(removed), nil
}

func describeRemoved(r *image.Removed) *api.RemovedImage {
	return &api.RemovedImage{Untagged: r.Untagged, Deleted: r.Deleted, Reclaimed: r.Reclaimed}
}

// PruneImages is in api.Backend.
func (n *Node) PruneImages(ctx context.Context, request api.PruneRequest) ([]api.RemovedImage, error) {
	filter, err := image.ParseFilter(request.Filters, image.PruneFilters, time.Now())
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	defer n.begin()()
	pruned, err := n.images.Prune(ctx, image.PruneOptions{All: request.All, Filter: filter, Guard: n.guard})
	var list []api.RemovedImage
	for i := range pruned {
		list = append(list, *describeRemoved(&pruned[i]))
	}
	return list, err
}
