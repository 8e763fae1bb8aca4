package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"reflect"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	apinet "k8s.io/apimachinery/pkg/util/net"

	"github.com/peapod/peapod/rootless/api"
)

// fieldManager is who the command line says it is.
const fieldManager = "peapod"

// Applied is the outcome of an apply.
type Applied struct {
	Object   json.RawMessage
	Outcome  api.Outcome
	Warnings []string
}

// Apply sends the manifest (JSON) of the object that r names and tells what came of it, as kubectl does: by what was there before.
func (c *Client) Apply(ctx context.Context, r Request, manifest []byte, dryRun bool) (*Applied, error) {
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
	if err := decode(response, &applied.Object); err != nil {
		return nil, err
	}
	switch {
	case response.StatusCode == http.StatusCreated:
		applied.Outcome = api.Created
	case sameWish(before, applied.Object):
		applied.Outcome = api.Unchanged
	default:
		applied.Outcome = api.Configured
	}
	return applied, nil
}

// PatchPart sends a strategic merge patch (JSON) of a part of the Pod that r names, and returns the node's warnings.
func (c *Client) PatchPart(ctx context.Context, r Request, part string, patch []byte) ([]string, error) {
	header := http.Header{"Content-Type": {"application/strategic-merge-patch+json"}}
	response, err := c.do(ctx, http.MethodPatch, r.path(part), url.Values{"fieldManager": {fieldManager}}, header, patch)
	if err != nil {
		return nil, err
	}
	return warnings(response.Header), response.Body.Close()
}

// Patch sends a patch of the object that r names, or of a subresource, and decodes what has become of it.
func (c *Client) Patch(ctx context.Context, r Request, form types.PatchType, patch []byte, into any, subresource ...string) error {
	header := http.Header{"Content-Type": {string(form)}}
	response, err := c.do(ctx, http.MethodPatch, r.path(subresource...), url.Values{"fieldManager": {fieldManager}}, header, patch)
	if err != nil {
		return err
	}
	return decode(response, into)
}

// Create sends the manifest (JSON) of an object that must be new, to where r without a name says, and returns the node's warnings.
func (c *Client) Create(ctx context.Context, r Request, manifest []byte, dryRun bool) (json.RawMessage, []string, error) {
	query := url.Values{"fieldManager": {fieldManager}}
	if dryRun {
		query.Set("dryRun", metav1.DryRunAll)
	}
	r.Name = ""
	response, err := c.do(ctx, http.MethodPost, r.path(), query, http.Header{"Content-Type": {"application/json"}}, manifest)
	if err != nil {
		return nil, nil, err
	}
	var created json.RawMessage
	err = decode(response, &created)
	return created, warnings(response.Header), err
}

// GetScale decodes the scale of the object that r names.
func (c *Client) GetScale(ctx context.Context, r Request, into any) error {
	response, err := c.do(ctx, http.MethodGet, r.path("scale"), nil, nil, nil)
	if err != nil {
		return err
	}
	return decode(response, into)
}

// sameWish tells whether two states of an object differ in nothing that a manifest says. The resourceVersion alone will not do:
// while a Pod starts, its status changes between any two looks.
func sameWish(before, after json.RawMessage) bool {
	x, errX := wish(before)
	y, errY := wish(after)
	return errX == nil && errY == nil && reflect.DeepEqual(x, y)
}

// wish is an object without what the node puts into it.
func wish(state json.RawMessage) (map[string]any, error) {
	var o map[string]any
	if err := json.Unmarshal(state, &o); err != nil {
		return nil, err
	}
	delete(o, "status")
	if metadata, ok := o["metadata"].(map[string]any); ok {
		for _, field := range []string{"resourceVersion", "generation", "deletionTimestamp", "deletionGracePeriodSeconds"} {
			delete(metadata, field)
		}
	}
	return o, nil
}

func warnings(header http.Header) []string {
	parsed, _ := apinet.ParseWarningHeaders(header.Values("Warning")) // what cannot be read is not shown
	var texts []string
	for _, warning := range parsed {
		texts = append(texts, warning.Text)
	}
	return texts
}

// Delete asks for the deletion of the object that r names and returns what was its metadata; it does not wait.
func (c *Client) Delete(ctx context.Context, r Request, options metav1.DeleteOptions) (*metav1.PartialObjectMetadata, error) {
	options.TypeMeta = metav1.TypeMeta{Kind: "DeleteOptions", APIVersion: "v1"}
	body, err := json.Marshal(options)
	if err != nil {
		return nil, err
	}
	response, err := c.do(ctx, http.MethodDelete, r.path(), nil, http.Header{"Content-Type": {"application/json"}}, body)
	if err != nil {
		return nil, err
	}
	var o metav1.PartialObjectMetadata
	return &o, decode(response, &o)
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
