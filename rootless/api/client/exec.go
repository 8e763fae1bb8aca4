package client

import (
	"context"
	"net/url"

	"github.com/peapod/peapod/rootless/api"
)

// Exec runs a command in a container and returns its exit code; an error means that it did not run or that its end is unknown.
// Without a terminal stdin's end is passed on to the command. A Stdin that returns api.ErrDetached leaves the command running.
func (c *Client) Exec(ctx context.Context, namespace, name string, request api.ExecRequest) (int, error) {
	query := url.Values{"command": request.Command}
	if request.Container != "" {
		query.Set("container", request.Container)
	}
	return c.stream(ctx, Request{Resource: "pods", Namespace: namespace, Name: name}, "exec", query, request.Streams)
}

// Attach connects the streams with a container's first process until it ends, or until Stdin returns api.ErrDetached.
func (c *Client) Attach(ctx context.Context, namespace, name string, request api.AttachRequest) error {
	query := url.Values{}
	if request.Container != "" {
		query.Set("container", request.Container)
	}
	_, err := c.stream(ctx, Request{Resource: "pods", Namespace: namespace, Name: name}, "attach", query, request.Streams)
	return err
}
