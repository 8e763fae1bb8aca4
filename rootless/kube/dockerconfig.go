package kube

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// PullCredential is one entry of an imagePullSecret.
type PullCredential struct {
	// Match is HOST[:PORT][/PATH]: the images it is for are in that registry and their names begin with that path. Each part of
	// HOST between dots may be a glob (path.Match).
	Match                             string
	Username, Password, IdentityToken string
}

// PullCredentials reads Secrets of the types kubernetes.io/dockerconfigjson and kubernetes.io/dockercfg; others, and empty ones,
// say nothing about pulls. The order is that of the Secrets, and within one that of its keys. What cannot be read is an
// error that names Secret and field, without anything of the content: as in the kubelet, a pull then fails.
func PullCredentials(secrets []*corev1.Secret) ([]PullCredential, error) {
	var all []PullCredential
	for _, s := range secrets {
		credentials, err := pullCredentials(s)
		if err != nil {
			return nil, fmt.Errorf("imagePullSecrets: secret %q: %w", s.Name, err)
		}
		all = append(all, credentials...)
	}
	return all, nil
}

func pullCredentials(s *corev1.Secret) ([]PullCredential, error) {
	var auths map[string]dockerAuth
	var key string
	var err error
	switch s.Type {
	case corev1.SecretTypeDockerConfigJson:
		key = corev1.DockerConfigJsonKey
		var config struct {
			Auths map[string]dockerAuth `json:"auths"`
		}
		err = readDockerConfig(s.Data[key], &config)
		auths = config.Auths
	case corev1.SecretTypeDockercfg: // the older file: the entries alone
		key = corev1.DockerConfigKey
		err = readDockerConfig(s.Data[key], &auths)
	}
	if err != nil {
		return nil, fmt.Errorf("data[%s]: %w", key, err)
	}
	var all []PullCredential
	for _, registry := range slices.Sorted(maps.Keys(auths)) {
		c, err := auths[registry].credential()
		if err != nil {
			return nil, fmt.Errorf("data[%s]: %q: %w", key, registry, err)
		}
		if c.Match = registryMatch(registry); c.Match != "" {
			all = append(all, c)
		}
	}
	return all, nil
}

// readDockerConfig takes an empty file for one without entries.
func readDockerConfig(data []byte, into any) error {
	if len(data) == 0 {
		return nil
	}
	err := json.Unmarshal(data, into)
	var syntax *json.SyntaxError
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("no JSON from byte %d on", syntax.Offset)
	case errors.As(err, &wrongType):
		return fmt.Errorf("byte %d: %q is not what docker's config.json has there", wrongType.Offset, wrongType.Field)
	}
	return err
}

// dockerAuth is an entry of docker's config.json.
type dockerAuth struct {
	Username      string `json:"username"`
	Password      string `json:"password"`
	Auth          string `json:"auth"` // base64 of username:password; goes before the two
	IdentityToken string `json:"identitytoken"`
}

func (a dockerAuth) credential() (PullCredential, error) {
	c := PullCredential{Username: a.Username, Password: a.Password, IdentityToken: a.IdentityToken}
	if a.Auth == "" {
		return c, nil
	}
	// Some programs write the padding, some do not.
	text, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(a.Auth), "="))
	user, password, ok := strings.Cut(string(text), ":")
	if err != nil || !ok {
		return c, errors.New("auth: must be base64 of USERNAME:PASSWORD")
	}
	c.Username, c.Password = user, password
	return c, nil
}

// registryMatch brings a key of docker's config.json into the form of PullCredential.Match: docker has written keys with a scheme, and
// with the version of its API as a path. A key that is no URL matches nothing and is "".
func registryMatch(registry string) string {
	if !strings.HasPrefix(registry, "https://") && !strings.HasPrefix(registry, "http://") {
		registry = "https://" + registry
	}
	u, err := url.Parse(registry)
	if err != nil {
		return ""
	}
	path := u.Path
	if strings.HasPrefix(path, "/v1/") || strings.HasPrefix(path, "/v2/") {
		path = path[len("/v1"):]
	}
	if path == "/" {
		path = ""
	}
	return u.Host + path
}
