package container

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/seccomp"
	"github.com/peapod/peapod/rootless/state"
)

// TestLocalhostProfile: a profile is compiled once, and again when its file has changed.
func TestLocalhostProfile(t *testing.T) {
	r := &Runtime{paths: state.Paths{Data: t.TempDir()}, profiles: map[string]*loadedProfile{}, filters: map[*specs.LinuxSeccomp]seccomp.Program{}}
	folder := r.paths.SeccompProfiles()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	name := "a.json"
	load := func(text string) (*specs.LinuxSeccomp, error) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return r.Seccomp(corev1.SeccompProfile{Type: corev1.SeccompProfileTypeLocalhost, LocalhostProfile: &name}, nil)
	}
	const allow, refuse = `{"defaultAction": "SCMP_ACT_ALLOW"}`, `{"defaultAction": "SCMP_ACT_ERRNO"}`
	first, err := load(allow)
	if err != nil {
		t.Fatal(err)
	}
	again, err := load(allow)
	if err != nil || again != first || r.filters[first].Filter == nil {
		t.Errorf("the same text: another profile, or none compiled: %v", err)
	}
	other, err := load(refuse)
	if err != nil || other == first || other.DefaultAction != specs.ActErrno {
		t.Errorf("got %+v, %v", other, err)
	}
	if len(r.filters) != 1 || r.filters[other].Filter == nil {
		t.Errorf("%d filters, of which one is %x", len(r.filters), r.filters[other].Filter)
	}
	if _, err := load("{"); err == nil || !strings.Contains(err.Error(), filepath.Join(folder, name)) {
		t.Errorf("no profile: %v", err)
	}
}
