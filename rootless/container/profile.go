package container

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/seccomp"
)

// SeccompProfile is the profile that counts for a container: its own, the Pod's, else RuntimeDefault, which is what a kubelet
// with seccompDefault does. A privileged container has none.
func SeccompProfile(pod *corev1.Pod, c *corev1.Container) corev1.SeccompProfile {
	if privileged(c) {
		return corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined}
	}
	if s := c.SecurityContext; s != nil && s.SeccompProfile != nil {
		return *s.SeccompProfile
	}
	if s := pod.Spec.SecurityContext; s != nil && s.SeccompProfile != nil {
		return *s.SeccompProfile
	}
	return corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}
}

// loadedProfile is a profile that was compiled.
type loadedProfile struct {
	text    []byte // of a Localhost profile
	profile *specs.LinuxSeccomp
}

// Seccomp resolves a profile for a set of capabilities. Unconfined is nil. With a single id every profile pretends
// (seccomp.Pretend), and Unconfined is one that does nothing else. Localhost profiles are files below Paths.SeccompProfiles, in the OCI's
// form or the one of Docker and its kin; they are read each time, and compiled if they have changed.
func (r *Runtime) Seccomp(profile corev1.SeccompProfile, capabilities []string) (*specs.LinuxSeccomp, error) {
	unconfined := profile.Type == corev1.SeccompProfileTypeUnconfined
	switch {
	case profile.Type == corev1.SeccompProfileTypeLocalhost:
		return r.localSeccomp(*profile.LocalhostProfile, capabilities)
	case unconfined && !r.single:
		return nil, nil
	case unconfined:
		return r.compiled(string(profile.Type), nil, func(seccomp.Version) (*specs.LinuxSeccomp, error) { return nil, nil })
	}
	return r.compiled(strings.Join(capabilities, ","), nil, func(kernel seccomp.Version) (*specs.LinuxSeccomp, error) {
		return seccomp.Default(runtime.GOARCH, capabilities, kernel)
	})
}

func (r *Runtime) localSeccomp(name string, capabilities []string) (*specs.LinuxSeccomp, error) {
	path := filepath.Join(r.paths.SeccompProfiles(), name)
	text, err := readProfile(path)
	if err != nil {
		return nil, fmt.Errorf("load seccomp profile: %w", err)
	}
	p, err := r.compiled(path+","+strings.Join(capabilities, ","), text, func(kernel seccomp.Version) (*specs.LinuxSeccomp, error) {
		return seccomp.Load(text, runtime.GOARCH, capabilities, kernel)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// maxProfile bounds what is read of a profile: the default one has 15 kB.
const maxProfile = 1 << 20

func readProfile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxProfile+1))
	if err == nil && len(text) > maxProfile {
		err = fmt.Errorf("%s: larger than %d bytes", path, maxProfile)
	}
	return text, err
}

// compiled returns the profile that load makes, or the one it made last if it was made of the same text. Its filter is compiled then.
func (r *Runtime) compiled(key string, text []byte, load func(seccomp.Version) (*specs.LinuxSeccomp, error)) (*specs.LinuxSeccomp, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.profiles[key]
	if last != nil && bytes.Equal(last.text, text) {
		return last.profile, nil
	}
	kernel, err := seccomp.Kernel()
	if err != nil {
		return nil, err
	}
	p, err := load(kernel)
	if err != nil {
		return nil, err
	}
	if r.single {
		p = seccomp.Pretend(p)
	}
	program, err := seccomp.Prepare(p, runtime.GOARCH)
	if err != nil {
		return nil, err
	}
	if last != nil {
		delete(r.filters, last.profile)
	}
	r.profiles[key], r.filters[p] = &loadedProfile{text, p}, program
	return p, nil
}

// filter compiles the specification's seccomp profile, unless it is one that Seccomp has given.
func (r *Runtime) filter(l *specs.Linux) (seccomp.Program, error) {
	if l == nil || l.Seccomp == nil {
		return seccomp.Program{}, nil
	}
	r.mu.Lock()
	known, ok := r.filters[l.Seccomp]
	r.mu.Unlock()
	if ok {
		return known, nil
	}
	return seccomp.Prepare(l.Seccomp, runtime.GOARCH)
}
