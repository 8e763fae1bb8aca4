package image

import (
	"context"
	"errors"
	"time"

	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker/reference"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"
)

// progressInterval is how often a blob's progress is reported.
const progressInterval = 200 * time.Millisecond

// copyIn brings an image from anywhere into the store, if policy.json admits it, and gives it a name. Without a name (nil)
// it is known by its id only.
func (s *Store) copyIn(ctx context.Context, system *types.SystemContext, from types.ImageReference, name reference.Named,
	report func(Progress)) (_ *Image, err error) {
	to, err := s.destination(ctx, system, from, name)
	if err != nil {
		return nil, err
	}
	admission, err := policy(system)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, admission.Destroy()) }()

	progress, drained := reportAll(report)
	var stored types.ImageReference
	_, err = copy.Image(ctx, admission, to, from, &copy.Options{
		SourceCtx: system, DestinationCtx: system,
		Progress: progress, ProgressInterval: progressInterval,
		ReportResolvedReference: &stored,
	})
	close(progress)
	<-drained
	if err != nil {
		return nil, err
	}
	_, record, err := istorage.ResolveReference(stored)
	if err != nil {
		return nil, err
	}
	return s.load(record)
}

// destination is where in the store an image goes. What has no name is put under its id, the digest of its configuration.
func (s *Store) destination(ctx context.Context, system *types.SystemContext, from types.ImageReference, name reference.Named) (types.ImageReference, error) {
	if name != nil {
		return istorage.Transport.NewStoreReference(s.storage, name, "")
	}
	image, err := from.NewImage(ctx, system)
	if err != nil {
		return nil, err
	}
	defer image.Close()
	return istorage.Transport.NewStoreReference(s.storage, nil, image.ConfigInfo().Digest.Encoded())
}

// reportAll returns a channel whose events are handed to report until it is closed, and one that is closed after that.
func reportAll(report func(Progress)) (chan types.ProgressProperties, <-chan struct{}) {
	events, drained := make(chan types.ProgressProperties), make(chan struct{})
	go func() {
		defer close(drained)
		for event := range events {
			report(progressOf(event))
		}
	}()
	return events, drained
}

func progressOf(event types.ProgressProperties) Progress {
	p := Progress{Layer: event.Artifact.Digest, Offset: int64(event.Offset), Total: event.Artifact.Size}
	switch event.Event {
	case types.ProgressEventNewArtifact:
		p.Message = "started"
	case types.ProgressEventRead:
		p.Message = "pulling"
	case types.ProgressEventDone:
		p.Done, p.Message = true, "complete"
	case types.ProgressEventSkipped:
		p.Done, p.Message = true, "already present"
	}
	return p
}
