package image

import (
	"errors"
	"net/url"
	"path"
	"slices"
	"strings"

	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/docker/config"
	"go.podman.io/image/v5/types"
)

// Credential is a login for the images whose names Match fits. The rules are those of the kubelet's imagePullSecrets
// (kubernetes.io/docs/concepts/containers/images, "Interpretation of config.json").
type Credential struct {
	// Match is HOST[:PORT][/PATH], without a scheme. The port must be the same, or missing in both; HOST must have as many
	// parts between its dots as the registry, and each may be a glob (path.Match); PATH is where the repository must begin,
	// be it in the middle of a word.
	Match              string
	Username, Password string
	IdentityToken      string // an OAuth2 refresh token, instead of a password
}

// hub is how docker's own files call docker.io.
const hub = "index.docker.io"

// fitting are the credentials for a repository. What Match says more of comes first (in reverse order of the strings, as in the
// kubelet); what is equal stays in its order.
func fitting(name reference.Named, all []Credential) []Credential {
	var fit, ofHub []Credential
	for _, c := range all {
		if matches(c.Match, name.Name()) {
			fit = append(fit, c)
		}
		if c.Match == hub && reference.Domain(name) == "docker.io" {
			ofHub = append(ofHub, c)
		}
	}
	if len(fit) == 0 {
		return ofHub
	}
	slices.SortStableFunc(fit, func(a, b Credential) int { return strings.Compare(b.Match, a.Match) })
	return fit
}

func matches(pattern, name string) bool {
	p, err := url.Parse("https://" + pattern)
	if err != nil {
		return false
	}
	n, err := url.Parse("https://" + name)
	if err != nil {
		return false
	}
	globs, parts := strings.Split(p.Hostname(), "."), strings.Split(n.Hostname(), ".")
	if p.Port() != n.Port() || len(globs) != len(parts) || !strings.HasPrefix(n.Path, p.Path) {
		return false
	}
	for i, glob := range globs {
		if ok, err := path.Match(glob, parts[i]); !ok || err != nil {
			return false
		}
	}
	return true
}

// withCredentials tries those that fit in order, then the user's own from the auth file. Anonymously it asks only where there is
// neither: a registry that was given a login and refused it has answered. This is what the kubelet does, with the auth file in
// the place of the machine's own credentials.
func withCredentials(system *types.SystemContext, name reference.Named, all []Credential,
	pull func(*types.SystemContext) (*Image, error)) (*Image, error) {
	var failures []error
	for _, c := range fitting(name, all) {
		login := *system
		login.DockerAuthConfig = &types.DockerAuthConfig{Username: c.Username, Password: c.Password, IdentityToken: c.IdentityToken}
		image, err := pull(&login)
		if err == nil || !othersMayDo(err) {
			return image, err
		}
		failures = append(failures, err)
	}
	if len(failures) == 0 {
		return pull(system)
	}
	if own, err := config.GetCredentialsForRef(system, name); err == nil && own != (types.DockerAuthConfig{}) {
		image, err := pull(system)
		if err == nil {
			return image, nil
		}
		failures = append(failures, err)
	}
	return nil, oneLine(slices.CompactFunc(failures, func(a, b error) bool { return a.Error() == b.Error() }))
}

// othersMayDo tells whether another login may succeed where this one failed. Many registries say of an image that they show to
// others that it does not exist, and count requests by user. The kubelet tries them all whatever the error; where nobody
// answers that would be the same error again.
func othersMayDo(err error) bool {
	return errors.Is(err, ErrUnauthorized) || errors.Is(err, ErrManifestUnknown) || errors.Is(err, docker.ErrTooManyRequests)
}
