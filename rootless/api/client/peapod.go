package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/peapod/peapod/rootless/api"
)

func (c *Client) own(ctx context.Context, method, path string, into any) error {
	response, err := c.do(ctx, method, "/peapod/v1/"+path, nil, nil, nil)
	if err != nil {
		return err
	}
	return decode(response, into)
}

// Containers lists every container of every Pod, each Pod's pause first.
func (c *Client) Containers(ctx context.Context) ([]api.Container, error) {
	var list []api.Container
	err := c.own(ctx, http.MethodGet, "containers", &list)
	return list, err
}

// Images lists the images in the store.
func (c *Client) Images(ctx context.Context) ([]api.Image, error) {
	var list []api.Image
	err := c.own(ctx, http.MethodGet, "images", &list)
	return list, err
}

// Version describes the node.
func (c *Client) Version(ctx context.Context) (*api.Version, error) {
	version := &api.Version{}
	return version, c.own(ctx, http.MethodGet, "version", version)
}

// Shutdown asks the node to end; it returns when the node has agreed.
func (c *Client) Shutdown(ctx context.Context) error {
	var nothing struct{}
	return c.own(ctx, http.MethodPost, "shutdown", &nothing)
}

// Pull fetches an image into the store; report gets every line but the last.
func (c *Client) Pull(ctx context.Context, reference string, report func(api.PullProgress)) (*api.Image, error) {
	response, err := c.do(ctx, http.MethodPost, "/peapod/v1/images/pull", url.Values{"reference": {reference}}, nil, nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	decoder := json.NewDecoder(response.Body)
	for {
		var line api.PullProgress
		if err := decoder.Decode(&line); err != nil {
			return nil, fmt.Errorf("pull %s: the node's report broke off: %w", reference, err)
		}
		switch {
		case line.Error != "":
			return nil, errors.New(line.Error)
		case line.Image != nil:
			return line.Image, nil
		}
		report(line)
	}
}
