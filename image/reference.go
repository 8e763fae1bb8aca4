package image

import (
	"errors"
	"fmt"
	"strings"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"
)

// ParseReference reads an image's name as Docker and the kubelet do: "nginx:1.21" is docker.io/library/nginx:1.21, and
// without a tag or digest it is the tag latest. registries.conf is not asked, so for a short name this need not be what
// Get and Pull take it for; use it to check a name and to print it. The error is an ErrInvalidReference.
func ParseReference(s string) (reference.Named, error) {
	named, err := reference.ParseNormalizedNamed(s)
	switch {
	case errors.Is(err, reference.ErrReferenceInvalidFormat):
		return nil, fmt.Errorf("image %q: %w", s, ErrInvalidReference)
	case err != nil:
		reason := strings.TrimPrefix(err.Error(), ErrInvalidReference.Error()+": ")
		return nil, fmt.Errorf("image %q: %w: %s", s, ErrInvalidReference, reason)
	}
	return reference.TagNameOnly(named), nil
}

// isShort reports whether a name that ParseReference accepts leaves its registry out. The rule is the one by which
// docker.io is filled in: the part before the first slash is a registry if it has a dot, a colon or a capital letter, or
// is localhost.
func isShort(s string) bool {
	first, _, found := strings.Cut(s, "/")
	return !found || !strings.ContainsAny(first, ".:") && first != "localhost" && strings.ToLower(first) == first
}

// place says what the candidates are for: looking into the store or asking registries.
type place int

const (
	inStore place = iota
	inRegistry
)

// candidates lists the full names that s may stand for, the most likely one first (containers-registries.conf(5)). In
// the store, images built here are called localhost/NAME, and that goes before any registry.
func candidates(sys *types.SystemContext, s string, where place) ([]reference.Named, error) {
	named, err := ParseReference(s)
	if err != nil {
		return nil, err
	}
	if !isShort(s) {
		return []reference.Named{withoutTagIfDigested(named)}, nil
	}
	suffix := s[len(repositoryOf(s)):]
	alias, _, err := sysregistriesv2.ResolveShortNameAlias(sys, repositoryOf(s))
	if err != nil {
		return nil, fmt.Errorf("look up image %q in registries.conf: %w", s, err)
	}
	registries, err := sysregistriesv2.UnqualifiedSearchRegistries(sys)
	if err != nil {
		return nil, fmt.Errorf("read registries.conf: %w", err)
	}
	var full []string
	if alias != nil {
		full = append(full, alias.Name()+suffix)
	}
	if where == inStore {
		full = append(full, "localhost/"+s)
	}
	// An alias decides where to pull from; in the store there may be other images that were pulled by full name.
	if alias == nil || where == inStore {
		for _, registry := range registries {
			full = append(full, registry+"/"+s)
		}
	}
	if len(registries) == 0 && alias == nil || where == inStore {
		full = append(full, "docker.io/"+s)
	}
	return parseAll(full)
}

// repositoryOf cuts tag and digest off a short name.
func repositoryOf(s string) string {
	s, _, _ = strings.Cut(s, "@")
	if colon := strings.LastIndexByte(s, ':'); colon > strings.LastIndexByte(s, '/') {
		s = s[:colon]
	}
	return s
}

// parseAll reads full names and drops repetitions.
func parseAll(names []string) ([]reference.Named, error) {
	var list []reference.Named
	seen := map[string]bool{}
	for _, s := range names {
		named, err := ParseReference(s)
		if err != nil {
			return nil, err
		}
		named = withoutTagIfDigested(named)
		if !seen[named.String()] {
			seen[named.String()] = true
			list = append(list, named)
		}
	}
	return list, nil
}

// withoutTagIfDigested turns NAME:TAG@DIGEST into NAME@DIGEST: the digest says it all (and the library refuses to pull
// both), which is also what the kubelet's runtimes make of it.
func withoutTagIfDigested(named reference.Named) reference.Named {
	digested, ok := named.(reference.Canonical)
	if !ok {
		return named
	}
	if _, tagged := named.(reference.Tagged); !tagged {
		return named
	}
	plain, err := reference.WithDigest(reference.TrimNamed(named), digested.Digest())
	if err != nil {
		return named // cannot happen: both parts come from a parsed name
	}
	return plain
}
