package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker"
	ocilayout "go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"
)

type pushOptions struct {
	registry    string // HOST:PORT
	certDir     string // holds ca.crt; empty: the system's authorities
	http        bool
	credentials string // USER:PASSWORD or empty
}

// push copies layouts into a registry under the names that pack gave them.
func push(layouts []string, o pushOptions, out io.Writer) (err error) {
	policy := &signature.Policy{Default: signature.PolicyRequirements{signature.NewPRInsecureAcceptAnything()}}
	admission, err := signature.NewPolicyContext(policy)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, admission.Destroy()) }()
	empty, err := os.MkdirTemp("", "ocipack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(empty)
	system := o.system(empty)
	for _, dir := range layouts {
		target, err := pushOne(dir, o.registry, system, admission)
		if err != nil {
			return fmt.Errorf("push %s: %w", dir, err)
		}
		fmt.Fprintln(out, target)
	}
	return nil
}

// system makes settings that do not depend on the user's own: those might lead the fixtures elsewhere. empty is an empty
// directory.
func (o pushOptions) system(empty string) *types.SystemContext {
	system := &types.SystemContext{
		DockerInsecureSkipTLSVerify: types.NewOptionalBool(o.http),
		DockerCertPath:              o.certDir,
		SystemRegistriesConfPath:    os.DevNull,
		SystemRegistriesConfDirPath: empty,
		RegistriesDirPath:           empty,
		AuthFilePath:                filepath.Join(empty, "auth.json"),
		BlobInfoCacheDir:            empty,
	}
	if user, password, found := strings.Cut(o.credentials, ":"); found {
		system.DockerAuthConfig = &types.DockerAuthConfig{Username: user, Password: password}
	}
	return system
}

func pushOne(dir, registry string, system *types.SystemContext, admission *signature.PolicyContext) (string, error) {
	name, _, err := layout(dir).manifest()
	if err != nil {
		return "", err
	}
	target := registry + "/library/" + name
	from, err := ocilayout.NewReference(dir, "")
	if err != nil {
		return "", err
	}
	to, err := docker.ParseReference("//" + target)
	if err != nil {
		return "", err
	}
	_, err = copy.Image(context.Background(), admission, to, from, &copy.Options{DestinationCtx: system, SourceCtx: system})
	return target, err
}
