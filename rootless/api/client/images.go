package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/peapod/peapod/rootless/api"
)

const imagesPath = "/peapod/v1/images"

// Images lists the images in the store that all filters (KEY=VALUE) admit.
func (c *Client) Images(ctx context.Context, filters ...string) ([]api.Image, error) {
	var list []api.Image
	err := c.image(ctx, http.MethodGet, "", url.Values{"filter": filters}, nil, &list)
	return list, err
}

// InspectImage tells all about one image.
func (c *Client) InspectImage(ctx context.Context, reference string) (*api.ImageDetails, error) {
	details := &api.ImageDetails{}
	return details, c.image(ctx, http.MethodGet, "/inspect", url.Values{"reference": {reference}}, nil, details)
}

// Tag gives an image names or takes them away.
func (c *Client) Tag(ctx context.Context, request api.TagRequest) error {
	return c.image(ctx, http.MethodPost, "/tag", nil, request, &struct{}{})
}

// RemoveImage takes a name away, and the image with its last one.
func (c *Client) RemoveImage(ctx context.Context, reference string, force bool) (*api.RemovedImage, error) {
	removed := &api.RemovedImage{}
	query := url.Values{"reference": {reference}, "force": {strconv.FormatBool(force)}}
	return removed, c.image(ctx, http.MethodPost, "/remove", query, nil, removed)
}

// PruneImages removes what nobody uses. With an error it returns what was removed before.
func (c *Client) PruneImages(ctx context.Context, request api.PruneRequest) ([]api.RemovedImage, error) {
	var pruned api.PrunedImages
	err := c.image(ctx, http.MethodPost, "/prune", nil, request, &pruned)
	if err == nil && pruned.Error != "" {
		err = errors.New(pruned.Error)
	}
	return pruned.Removed, err
}

// image sends a request about images, with a body of JSON if there is one, and decodes the answer.
func (c *Client) image(ctx context.Context, method, path string, query url.Values, body, into any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	response, err := c.do(ctx, method, imagesPath+path, query, nil, text)
	if err != nil {
		return err
	}
	return decode(response, into)
}

// Pull fetches images into the store; report gets every line but the last.
func (c *Client) Pull(ctx context.Context, request api.PullRequest, report func(api.PullProgress)) ([]api.LoadedImage, error) {
	outcome, err := c.transfer(ctx, "/pull", request, report)
	return outcome.Loaded, err
}

// Push copies an image to a registry or a place; report gets every line but the last.
func (c *Client) Push(ctx context.Context, request api.PushRequest, report func(api.PullProgress)) (*api.PushedImage, error) {
	outcome, err := c.transfer(ctx, "/push", request, report)
	if err == nil && outcome.Pushed == nil {
		err = errors.New("the node's answer to a push says nothing")
	}
	return outcome.Pushed, err
}

func (c *Client) transfer(ctx context.Context, path string, request any, report func(api.PullProgress)) (api.PullProgress, error) {
	text, err := json.Marshal(request)
	if err != nil {
		return api.PullProgress{}, err
	}
	response, err := c.do(ctx, http.MethodPost, imagesPath+path, nil, nil, text)
	if err != nil {
		return api.PullProgress{}, err
	}
	defer response.Body.Close()
	return follow(response.Body, report)
}

// follow hands out lines until the one that is the outcome.
func follow(lines io.Reader, report func(api.PullProgress)) (api.PullProgress, error) {
	decoder := json.NewDecoder(lines)
	for {
		var line api.PullProgress
		if err := decoder.Decode(&line); err != nil {
			return line, fmt.Errorf("the node's report broke off: %w", err)
		}
		switch {
		case line.Error != "":
			return line, errors.New(line.Error)
		case line.Loaded != nil || line.Pushed != nil:
			return line, nil
		}
		report(line)
	}
}

// Load sends an archive. With an error it returns the images that had arrived before.
func (c *Client) Load(ctx context.Context, archive io.Reader, report func(api.PullProgress)) ([]api.LoadedImage, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // the node says at once what it does not want; no more is sent then
	response, err := c.send(ctx, http.MethodPost, imagesPath+"/load", nil, nil, io.NopCloser(archive))
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	outcome, err := follow(response.Body, report)
	return outcome.Loaded, err
}

// Save copies an archive of images to w. After an error what w has is useless.
func (c *Client) Save(ctx context.Context, references []string, format string, w io.Writer) error {
	query := url.Values{"reference": references, "format": {format}}
	response, err := c.do(ctx, http.MethodGet, imagesPath+"/save", query, nil, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, copied := io.Copy(w, response.Body)
	var text string
	if failed := response.Trailer.Get(api.SaveError); failed != "" && json.Unmarshal([]byte(failed), &text) == nil {
		return errors.New(cmp.Or(text, failed))
	}
	return copied
}

// SaveDirectory has the node write images into a directory, which is named by an absolute path.
func (c *Client) SaveDirectory(ctx context.Context, references []string, format, directory string) error {
	query := url.Values{"reference": references, "format": {format}, "directory": {directory}}
	return c.image(ctx, http.MethodPost, "/save", query, nil, &struct{}{})
}
