package image

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/signature"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"
)

// outgoing is an image on its way out of the store. The name is nil if it was chosen by its id.
type outgoing struct {
	*Image
	name reference.Named
}

// tagged is the name if it has a tag, else nil.
func (o outgoing) tagged() reference.NamedTagged {
	if tagged, ok := o.name.(reference.NamedTagged); ok {
		return tagged
	}
	return nil
}

// choose finds images. Each keeps the name that it was chosen by.
func (s *Store) choose(refs []string) ([]outgoing, error) {
	if len(refs) == 0 {
		return nil, errors.New("name an image")
	}
	var images []outgoing
	for _, ref := range refs {
		record, name, err := s.find(ref)
		if err != nil {
			return nil, err
		}
		one := outgoing{}
		if one.Image, err = s.load(record); err != nil {
			return nil, err
		}
		if name != "" {
			if one.name, err = ParseReference(name); err != nil {
				return nil, err
			}
		}
		images = append(images, one)
	}
	return images, nil
}

// copyOut copies an image from the store to elsewhere and returns the digest and the size of its manifest there. The policy
// is not asked: it was when the image came.
func (s *Store) copyOut(ctx context.Context, one outgoing, to types.ImageReference, system *types.SystemContext, report func(Progress)) (
	sum digest.Digest, size int, err error,
) {
	from, err := istorage.Transport.NewStoreReference(s.storage, nil, one.ID)
	if err != nil {
		return "", 0, err
	}
	admission, err := signature.NewPolicyContext(&signature.Policy{Default: signature.PolicyRequirements{signature.NewPRInsecureAcceptAnything()}})
	if err != nil {
		return "", 0, err
	}
	defer func() { err = errors.Join(err, admission.Destroy()) }()
	if report == nil {
		report = func(Progress) {}
	}
	progress, drained := reportAll(report)
	manifest, err := copy.Image(ctx, admission, to, from, &copy.Options{
		SourceCtx: s.system, DestinationCtx: system, RemoveSignatures: true,
		Progress: progress, ProgressInterval: progressInterval,
	})
	close(progress)
	<-drained
	if ctx.Err() != nil {
		return "", 0, ctx.Err()
	}
	return digest.FromBytes(manifest), len(manifest), err
}
