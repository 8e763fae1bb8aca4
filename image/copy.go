package image

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/signature"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage"
)

// progressInterval is how often a blob's progress is reported.
const progressInterval = 200 * time.Millisecond

// copyIn brings an image from anywhere into the store, if policy.json admits it, and gives it a name. Without a name (nil)
// it is known by its id only.
func (s *Store) copyIn(ctx context.Context, system *types.SystemContext, from types.ImageReference, name reference.Named,
	report func(Progress)) (*Image, error) {
	if s.note != "" {
		s.noted.Do(func() { report(Progress{Total: -1, Message: s.note}) })
	}
	s.arriving.RLock()
	defer s.arriving.RUnlock()
	record, err := s.bring(ctx, system, from, name, report)
	if errors.Is(err, storage.ErrLayerUnknown) || errors.Is(err, storage.ErrParentUnknown) {
		// Another process removed a layer that was already there when we looked.
		record, err = s.bring(ctx, system, from, name, report)
	}
	if err != nil {
		return nil, err
	}
	return s.load(record)
}

// bring chooses between our own way and the library's.
func (s *Store) bring(ctx context.Context, system *types.SystemContext, from types.ImageReference, name reference.Named,
	report func(Progress)) (_ *storage.Image, err error) {
	rules, err := policy(system)
	if err != nil {
		return nil, err
	}
	admission, err := signature.NewPolicyContext(rules)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, admission.Destroy()) }()

	if !s.plain {
		a := &arrival{store: s, system: system, from: from, name: name, admission: admission, report: report, signed: wantsSignatures(rules)}
		record, err := a.run(ctx)
		var other *otherwise
		if !errors.As(err, &other) {
			return record, err
		}
		slog.Info("image is copied by the library", "image", from.StringWithinTransport(), "reason", other.reason)
	}
	return s.copyAlone(ctx, system, from, name, admission, report)
}

// otherwise is why our own way of bringing an image into the store is not open to it.
type otherwise struct{ reason string }

func (o *otherwise) Error() string { return o.reason }

// copyAlone leaves everything to the library: what we do not unpack by ourselves (encrypted layers, manifests of schema 1,
// a store kept as composefs) it knows about. The layers are unpacked one after the other.
func (s *Store) copyAlone(ctx context.Context, system *types.SystemContext, from types.ImageReference, name reference.Named,
	admission *signature.PolicyContext, report func(Progress)) (*storage.Image, error) {
	to, err := s.destination(ctx, system, from, name)
	if err != nil {
		return nil, err
	}
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
	return record, err
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
