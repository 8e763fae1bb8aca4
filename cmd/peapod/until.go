package main

import (
	"context"
	"encoding/json"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/peapod/peapod/rootless/api/client"
)

// until looks at an object now and after each change, until check has seen enough; nil is an object that is not there. A watch that ends early, with the node or
// because it was too far behind, starts over.
func until(ctx context.Context, c *client.Client, ref objectRef, check func(json.RawMessage) (done bool, err error)) error {
	for {
		list := ref.request()
		list.Name, list.FieldSelector = "", "metadata.name="+ref.name
		var now struct {
			Metadata struct{ ResourceVersion string }
			Items    []json.RawMessage
		}
		if err := c.Get(ctx, list, &now); err != nil {
			return err
		}
		var present json.RawMessage
		if len(now.Items) > 0 {
			present = now.Items[0]
		}
		if done, err := check(present); done || err != nil {
			return err
		}
		list.ResourceVersion = now.Metadata.ResourceVersion
		if done, err := untilSeen(ctx, c, list, check); done || err != nil {
			return err
		}
	}
}

func untilSeen(ctx context.Context, c *client.Client, r client.Request, check func(json.RawMessage) (bool, error)) (done bool, err error) {
	stream, err := c.Watch(ctx, r)
	switch {
	case apierrors.IsResourceExpired(err) || apierrors.IsGone(err):
		return false, nil
	case err != nil:
		return false, err
	}
	defer stream.Close()
	for {
		var object json.RawMessage
		event, err := stream.Next(&object)
		switch {
		case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.Is(ctx.Err(), context.Canceled):
			return false, ctx.Err()
		case err != nil:
			return false, nil
		case event == "DELETED":
			object = nil
		}
		if done, err := check(object); done || err != nil {
			return done, err
		}
	}
}
