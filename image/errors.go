package image

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/docker/distribution/registry/api/errcode"
	v2 "github.com/docker/distribution/registry/api/v2"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/signature"
)

// What can be told apart with errors.Is. All but the first two come from Pull only.
var (
	// ErrNotFound: the store has no such image.
	ErrNotFound = errors.New("no such image")
	// ErrInvalidReference: what was given cannot be the name of an image.
	ErrInvalidReference = errors.New("invalid reference format")
	// ErrManifestUnknown: the registry answered, and does not have it.
	ErrManifestUnknown = errors.New("manifest unknown")
	// ErrUnauthorized: the registry wants credentials, or others.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrRegistryUnavailable: nobody answered, or not as a registry does.
	ErrRegistryUnavailable = errors.New("registry unavailable")
	// ErrPolicy: policy.json does not admit the image.
	ErrPolicy = errors.New("rejected by policy")
	// ErrInUse: a container is made of the image (Remove only).
	ErrInUse = errors.New("image is in use")
)

// cause is what an error of the registry library comes down to: a short sentence for the user, the class it belongs to
// (nil if none), and the whole chain for errors.As.
type cause struct {
	text  string
	class error
	err   error
}

func (c *cause) Error() string { return c.text }

func (c *cause) Unwrap() []error {
	if c.class == nil {
		return []error{c.err}
	}
	return []error{c.class, c.err}
}

// explain shortens the error of pulling name. The library's own text tells the way it went ("initializing source
// docker://…: pinging container registry …: Get …: dial tcp …: connection refused"); what helps is its last part and
// what to do about it.
func explain(name reference.Named, err error) error { return explainHost(reference.Domain(name), err) }

func explainHost(host string, err error) error {
	for _, look := range []func(string, error) *cause{answered, untrusted, rejected, unreachable} {
		if c := look(host, err); c != nil {
			c.err = err
			var of *layerError
			if errors.As(err, &of) {
				c.text = of.layer + ": " + c.text
			}
			return c
		}
	}
	return err
}

// answered looks for what a registry says in its answers' bodies and statuses (OCI distribution spec, error codes).
func answered(host string, err error) *cause {
	login := "; log in with `peapod login " + host + "`, or give the Pod an imagePullSecret"
	var wrongPassword docker.ErrUnauthorizedForCredentials
	if errors.As(err, &wrongPassword) {
		return &cause{text: "unauthorized: wrong user name or password for " + host, class: ErrUnauthorized}
	}
	if errors.Is(err, docker.ErrTooManyRequests) {
		return &cause{text: "too many requests to " + host, class: ErrRegistryUnavailable}
	}
	var coded errcode.ErrorCoder
	if errors.As(err, &coded) {
		switch coded.ErrorCode() {
		case v2.ErrorCodeManifestUnknown:
			return &cause{text: "manifest unknown: " + host + " has no such tag or digest", class: ErrManifestUnknown}
		case v2.ErrorCodeNameUnknown:
			return &cause{text: "repository unknown to " + host, class: ErrManifestUnknown}
		case errcode.ErrorCodeUnauthorized:
			return &cause{text: "unauthorized: " + host + " wants credentials, or others than it got" + login, class: ErrUnauthorized}
		case errcode.ErrorCodeDenied:
			return &cause{text: "denied by " + host + login, class: ErrUnauthorized}
		case errcode.ErrorCodeTooManyRequests:
			return &cause{text: "too many requests to " + host, class: ErrRegistryUnavailable}
		}
	}
	var status docker.UnexpectedHTTPStatusError
	if errors.As(err, &status) {
		return &cause{text: fmt.Sprintf("%s answered %d %s", host, status.StatusCode, http.StatusText(status.StatusCode)),
			class: ErrRegistryUnavailable}
	}
	return nil
}

// untrusted looks for a registry that cannot prove who it is.
func untrusted(host string, err error) *cause {
	var unverified *tls.CertificateVerificationError
	if errors.As(err, &unverified) {
		text := unverified.Err.Error()
		var unknown x509.UnknownAuthorityError
		if errors.As(err, &unknown) {
			text += fmt.Sprintf("; put the authority's certificate into ~/.config/containers/certs.d/%s/ca.crt", host)
		}
		return &cause{text: text, class: ErrRegistryUnavailable}
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return &cause{text: fmt.Sprintf("%s speaks HTTP, not HTTPS; to allow it, set insecure = true for it in registries.conf", host),
			class: ErrRegistryUnavailable}
	}
	return nil
}

func rejected(_ string, err error) *cause {
	var requirement signature.PolicyRequirementError
	if errors.As(err, &requirement) {
		return &cause{text: "policy.json: " + requirement.Error(), class: ErrPolicy}
	}
	return nil
}

// unreachable looks for the network's errors: no address, no route, refused, broken off.
func unreachable(_ string, err error) *cause {
	var op *net.OpError
	if errors.As(err, &op) {
		return &cause{text: op.Error(), class: ErrRegistryUnavailable}
	}
	var request *url.Error
	if errors.As(err, &request) {
		return &cause{text: strings.TrimSpace(request.Err.Error()), class: ErrRegistryUnavailable}
	}
	return nil
}
