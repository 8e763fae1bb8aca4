package container

import (
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

// Seccomp resolves a profile for a set of capabilities. Unconfined is nil. With a single id every profile pretends
// (seccomp.Pretend), and Unconfined is one that does nothing else. Localhost profiles are files below Paths.SeccompProfiles, in the OCI's
// form or the one of Docker and its kin; they are read each time.
func (r *Runtime) Seccomp(profile corev1.SeccompProfile, capabilities []string) (*specs.LinuxSeccomp, error) {
	unconfined := profile.Type == corev1.SeccompProfileTypeUnconfined
	switch {
	case profile.Type == corev1.SeccompProfileTypeLocalhost:
		p, err := r.localSeccomp(*profile.LocalhostProfile, capabilities)
		if err == nil && r.single {
			p = seccomp.Pretend(p)
		}
		return p, err
	case unconfined && !r.single:
		return nil, nil
	}
	key := strings.Join(capabilities, ",")
	if unconfined {
		key = string(profile.Type)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p, ok := r.profiles[key]; ok {
		return p, nil
	}
	p, err := r.builtIn(unconfined, capabilities)
	if err != nil {
		return nil, err
	}
	f, err := seccomp.Compile(p, runtime.GOARCH)
	if err != nil {
		return nil, err
	}
	r.profiles[key], r.filters[p] = p, f.Bytes()
	return p, nil
}

// builtIn is a profile that needs no file. Without a filter of its own a container with a single id has one that pretends.
func (r *Runtime) builtIn(unconfined bool, capabilities []string) (p *specs.LinuxSeccomp, err error) {
	if !unconfined {
		kernel, err := seccomp.Kernel()
		if err != nil {
			return nil, err
		}
		if p, err = seccomp.Default(runtime.GOARCH, capabilities, kernel); err != nil {
			return nil, err
		}
	}
	if r.single {
		p = seccomp.Pretend(p)
	}
	return p, nil
}

// maxProfile bounds what is read of a profile: the default one has 15 kB.
const maxProfile = 1 << 20

func (r *Runtime) localSeccomp(name string, capabilities []string) (*specs.LinuxSeccomp, error) {
	path := filepath.Join(r.paths.SeccompProfiles(), name)
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("load seccomp profile: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxProfile+1))
	if err != nil {
		return nil, fmt.Errorf("load seccomp profile: %w", err)
	}
	if len(text) > maxProfile {
		return nil, fmt.Errorf("load seccomp profile %s: larger than %d bytes", path, maxProfile)
	}
	kernel, err := seccomp.Kernel()
	if err != nil {
		return nil, err
	}
	p, err := seccomp.Load(text, runtime.GOARCH, capabilities, kernel)
	if err == nil {
		_, err = seccomp.Compile(p, runtime.GOARCH)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// filter compiles the specification's seccomp profile, unless it is one that Seccomp has given.
func (r *Runtime) filter(l *specs.Linux) ([]byte, error) {
	if l == nil || l.Seccomp == nil {
		return nil, nil
	}
	r.mu.Lock()
	known := r.filters[l.Seccomp]
	r.mu.Unlock()
	if known != nil {
		return known, nil
	}
	f, err := seccomp.Compile(l.Seccomp, runtime.GOARCH)
	if err != nil {
		return nil, err
	}
	return f.Bytes(), nil
}
