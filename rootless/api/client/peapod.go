package client

import (
	"context"
	"net/http"

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
