package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apinet "k8s.io/apimachinery/pkg/util/net"

	"github.com/peapod/peapod/rootless/api"
)

// fieldManager is who the command line says it is.
const fieldManager = "peapod"

// Applied is the outcome of an apply.
type Applied struct {
	Pod      json.RawMessage
	Outcome  api.Outcome
	Warnings []string
}

// Apply sends a Pod's manifest (JSON) and tells what came of it, as kubectl does: by what was there before.
func (c *Client) Apply(ctx context.Context, namespace, name string, manifest []byte, dryRun bool) (*Applied, error) {
	r := Request{Resource: "pods", Namespace: namespace, Name: name}
	var before json.RawMessage
	if err := c.Get(ctx, r, &before); err != nil && !apierrors.IsNotFound(err) {
		return nil, err
	}
	query := url.Values{"fieldManager": {fieldManager}, "force": {"true"}}
	if dryRun {
		query.Set("dryRun", metav1.DryRunAll)
	}
	header := http.Header{"Content-Type": {"application/apply-patch+yaml"}}
	response, err := c.do(ctx, http.MethodPatch, r.path(), query, header, manifest)
	if err != nil {
		return nil, err
	}
	applied := &Applied{Warnings: warnings(response.Header)}
	if err := decode(response, &applied.Pod); err != nil {
		return nil, err
	}
	switch {
	case response.StatusCode == http.StatusCreated:
		applied.Outcome = api.Created
	case sameWish(before, applied.Pod):
		applied.Outcome = api.Unchanged
	default:
		applied.Outcome = api.Configured
	}
	return applied, nil
}

// sameWish tells whether two states of a Pod differ in nothing that a manifest says. The resourceVersion alone will not do:
// while a Pod starts, its status changes between any two looks.
func sameWish(before, after json.RawMessage) bool {
	type wish struct {
		Metadata struct {
			Labels, Annotations map[string]string
			OwnerReferences     json.RawMessage
			Finalizers          []string
		}
		Spec json.RawMessage
	}
	var x, y wish
	if json.Unmarshal(before, &x) != nil || json.Unmarshal(after, &y) != nil {
		return false
	}
	a, errA := json.Marshal(x)
	b, errB := json.Marshal(y)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

func warnings(header http.Header) []string {
	parsed, _ := apinet.ParseWarningHeaders(header.Values("Warning")) // what cannot be read is not shown
	var texts []string
	for _, warning := range parsed {
		texts = append(texts, warning.Text)
	}
	return texts
}

// Delete asks for a Pod's deletion and returns its last state; it does not wait.
func (c *Client) Delete(ctx context.Context, namespace, name string, options metav1.DeleteOptions) (*corev1.Pod, error) {
	options.TypeMeta = metav1.TypeMeta{Kind: "DeleteOptions", APIVersion: "v1"}
	body, err := json.Marshal(options)
	if err != nil {
		return nil, err
	}
	r := Request{Resource: "pods", Namespace: namespace, Name: name}
	response, err := c.do(ctx, http.MethodDelete, r.path(), nil, http.Header{"Content-Type": {"application/json"}}, body)
	if err != nil {
		return nil, err
	}
	var pod corev1.Pod
	return &pod, decode(response, &pod)
}

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

// Stream is an open watch.
type Stream struct {
	body    io.ReadCloser
	decoder *json.Decoder
}

// Watch follows the changes of what the request names, without end: see Stream.Next. If the request has no ResourceVersion it
// begins with all there is.
func (c *Client) Watch(ctx context.Context, r Request) (*Stream, error) {
	query := r.query()
	query.Set("watch", "true")
	response, err := c.do(ctx, http.MethodGet, r.path(), query, r.header(), nil)
	if err != nil {
		return nil, err
	}
	return &Stream{response.Body, json.NewDecoder(response.Body)}, nil
}

// Next waits for a change, decodes its object and returns what happened to it ("ADDED", "MODIFIED", "DELETED"). At the end of
// the stream it returns io.EOF; a watch that the node ended can be taken up where it was.
func (s *Stream) Next(into any) (string, error) {
	var frame struct {
		Type   string          `json:"type"`
		Object json.RawMessage `json:"object"`
	}
	if err := s.decoder.Decode(&frame); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = io.EOF
		}
		return "", err
	}
	if frame.Type == "ERROR" {
		return "", statusError(http.StatusInternalServerError, frame.Object)
	}
	return frame.Type, json.Unmarshal(frame.Object, into)
}

// Close ends the watch.
func (s *Stream) Close() error { return s.body.Close() }
