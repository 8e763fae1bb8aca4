package image

import (
	"context"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"
)

// Progress is one step of a pull.
type Progress struct {
	Layer         digest.Digest // the blob it is about; empty: the image as a whole
	Offset, Total int64         // bytes; Total is -1 if unknown
	Done          bool          // nothing more comes about this blob
	Message       string        // in words, e.g. "already present"
}

// PullOptions change how Pull goes about it. The zero value is fine.
type PullOptions struct {
	// Report is called from any goroutine, but never by two at once; it must not block for long nor call the Store.
	Report func(Progress)
	// Username and Password go before what the auth file has. Both empty: as the auth file says.
	Username, Password string
	// Credentials go before what the auth file has, too: those that fit the image, in order, until one is good.
	Credentials []Credential
	// Platform is OS/ARCH or OS/ARCH/VARIANT. Empty: this machine's.
	Platform string
	// Insecure allows HTTP, and certificates that nobody vouches for, from this registry.
	Insecure bool
}

// Pull brings an image from its registry into the store, even if the store has one by that name already: the name then
// moves to the new one. Calls for the same reference and user that overlap share one transfer, and each gets its result.
//
// The error names the reference and the cause, and is one of ErrInvalidReference, ErrManifestUnknown, ErrUnauthorized,
// ErrRegistryUnavailable, ErrPolicy, the context's error, or something else that no class fits (a full disk).
func (s *Store) Pull(ctx context.Context, ref string, o PullOptions) (*Image, error) {
	if _, err := ParseReference(ref); err != nil {
		return nil, err
	}
	image, err := s.flights.do(ctx, o.key(ref), o.Report, func(ctx context.Context, report func(Progress)) (*Image, error) {
		return s.pull(ctx, ref, o, report)
	})
	if err != nil {
		return nil, fmt.Errorf("pull image %q: %w", ref, err)
	}
	return image, nil
}

// key is equal for pulls that come to the same.
func (o *PullOptions) key(ref string) string {
	return fmt.Sprintf("%q %t %+q", []string{ref, o.Username, o.Password, o.Platform}, o.Insecure, o.Credentials)
}

// pull tries the candidates in order until one can be had.
func (s *Store) pull(ctx context.Context, ref string, o PullOptions, report func(Progress)) (*Image, error) {
	sysregistriesv2.InvalidateCache() // the user may have edited registries.conf since
	names, err := candidates(s.system, ref, inRegistry)
	if err != nil {
		return nil, err
	}
	var failures []error
	for _, name := range names {
		report(Progress{Total: -1, Message: "pulling " + name.String()})
		image, err := s.pullOne(ctx, name, o, report)
		if err == nil {
			report(Progress{Total: -1, Done: true, Message: "pulled " + name.String()})
			return image, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if len(names) > 1 {
			err = fmt.Errorf("%s: %w", name, err)
		}
		failures = append(failures, err)
	}
	return nil, oneLine(failures)
}

// oneLine joins errors like errors.Join, but in a sentence.
func oneLine(list []error) error {
	if len(list) == 1 {
		return list[0]
	}
	format := strings.TrimSuffix(strings.Repeat("%w; ", len(list)), "; ")
	args := make([]any, len(list))
	for i, err := range list {
		args[i] = err
	}
	return fmt.Errorf(format, args...)
}

// pullOne brings one image from its registry into the store.
func (s *Store) pullOne(ctx context.Context, name reference.Named, o PullOptions, report func(Progress)) (*Image, error) {
	from, err := docker.NewReference(name)
	if err != nil {
		return nil, err
	}
	system := *s.system
	if err := choosePlatform(&system, o.Platform); err != nil {
		return nil, err
	}
	if o.Insecure {
		system.DockerInsecureSkipTLSVerify = types.OptionalBoolTrue
	}
	if o.Username != "" || o.Password != "" {
		system.DockerAuthConfig = &types.DockerAuthConfig{Username: o.Username, Password: o.Password}
	}
	return withCredentials(&system, name, o.Credentials, func(system *types.SystemContext) (*Image, error) {
		image, err := s.copyIn(ctx, system, from, name, report)
		if err != nil {
			return nil, explain(name, err)
		}
		return image, nil
	})
}
