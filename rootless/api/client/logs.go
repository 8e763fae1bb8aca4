package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Logs streams a container's log; the caller closes it.
func (c *Client) Logs(ctx context.Context, namespace, name string, options *corev1.PodLogOptions) (io.ReadCloser, error) {
	query := url.Values{}
	set := func(name, value string, present bool) {
		if present {
			query.Set(name, value)
		}
	}
	set("container", options.Container, options.Container != "")
	set("follow", "true", options.Follow)
	set("previous", "true", options.Previous)
	set("timestamps", "true", options.Timestamps)
	number := func(name string, n *int64) {
		if n != nil {
			query.Set(name, strconv.FormatInt(*n, 10))
		}
	}
	number("sinceSeconds", options.SinceSeconds)
	number("tailLines", options.TailLines)
	number("limitBytes", options.LimitBytes)
	if options.SinceTime != nil {
		query.Set("sinceTime", options.SinceTime.Format(time.RFC3339))
	}
	r := Request{Resource: "pods", Namespace: namespace, Name: name}
	response, err := c.do(ctx, http.MethodGet, r.path("log"), query, nil, nil)
	if err != nil {
		return nil, err
	}
	return response.Body, nil
}
