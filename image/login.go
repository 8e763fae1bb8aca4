package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/docker/config"
	"go.podman.io/image/v5/types"
)

// ErrNotLoggedIn says that there are no credentials to be removed.
var ErrNotLoggedIn = errors.New("not logged in")

// Logins and their credentials do not touch the store: these functions run in whatever process the user runs. The files are
// the ecosystem's (containers-auth.json(5)): $REGISTRY_AUTH_FILE, else containers/auth.json in $XDG_RUNTIME_DIR, which does not
// outlive the session; where there is no such directory, in the user's configuration. Credential helpers are asked where
// these or registries.conf name one.

// Login asks a registry whether it takes the credentials, and keeps them if it does. It returns where they are now, in words.
// insecure allows HTTP, and certificates that nobody vouches for.
func Login(ctx context.Context, registry, user, password string, insecure bool) (string, error) {
	key, err := loginKey(registry)
	if err != nil {
		return "", err
	}
	system := loginContext()
	if insecure {
		system.DockerInsecureSkipTLSVerify = types.OptionalBoolTrue
	}
	host, _, _ := strings.Cut(key, "/")
	if err := docker.CheckAuth(ctx, system, user, password, host); err != nil {
		return "", fmt.Errorf("log in to %s: %w", key, explainHost(host, err))
	}
	where, err := config.SetCredentials(system, key, user, password)
	if err != nil {
		return "", fmt.Errorf("keep the credentials for %s: %w", key, err)
	}
	return where, nil
}

// LoggedIn is the user as whom a registry is logged in to, or "".
func LoggedIn(registry string) (string, error) {
	key, err := loginKey(registry)
	if err != nil {
		return "", err
	}
	credentials, err := config.GetCredentials(loginContext(), key)
	return credentials.Username, err
}

// Logout forgets the credentials for a registry. The error is ErrNotLoggedIn if there are none.
func Logout(registry string) error {
	key, err := loginKey(registry)
	if err != nil {
		return err
	}
	err = config.RemoveAuthentication(loginContext(), key)
	if errors.Is(err, config.ErrNotLoggedIn) {
		return fmt.Errorf("%w to %s", ErrNotLoggedIn, key)
	}
	return err
}

// LogoutAll forgets all credentials.
func LogoutAll() error { return config.RemoveAllAuthentication(loginContext()) }

func loginContext() *types.SystemContext {
	divertLog()
	auth := os.Getenv("REGISTRY_AUTH_FILE")
	if auth == "" && os.Getenv("XDG_RUNTIME_DIR") == "" {
		if dir, err := os.UserConfigDir(); err == nil { // $XDG_CONFIG_HOME, else ~/.config
			auth = filepath.Join(dir, "containers", "auth.json")
		}
	}
	return &types.SystemContext{AuthFilePath: auth, DockerRegistryUserAgent: "peapod"}
}

// dockerHosts are names of Docker Hub; its credentials are kept under the first.
var dockerHosts = []string{"docker.io", "index.docker.io", "registry-1.docker.io"}

// loginKey is what credentials are kept under: HOST[:PORT][/NAMESPACE]. Users copy addresses from browsers, so a scheme and a
// slash at the end are cut off.
func loginKey(registry string) (string, error) {
	key := strings.TrimPrefix(strings.TrimPrefix(registry, "https://"), "http://")
	key = strings.TrimSuffix(strings.TrimSuffix(key, "/"), "/v1")
	if slices.Contains(dockerHosts, key) {
		return dockerHosts[0], nil
	}
	// A registry's name is one if it can stand before an image's.
	named, err := reference.ParseNormalizedNamed(key + "/image")
	if err != nil || key == "" || reference.Domain(named)+"/"+reference.Path(named) != key+"/image" {
		return "", fmt.Errorf("registry %q: want HOST, HOST:PORT or HOST/NAMESPACE", registry)
	}
	return key, nil
}
