package seccomp

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	moby "github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Version is a kernel's version as profiles ask for it: 6.1 of 6.1.0-13-amd64.
type Version struct{ Major, Minor uint64 }

// AtLeast tells whether v is w or newer.
func (v Version) AtLeast(w Version) bool {
	return v.Major > w.Major || v.Major == w.Major && v.Minor >= w.Minor
}

// Kernel is the version of the running kernel, from uname(2).
func Kernel() (Version, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return Version{}, fmt.Errorf("uname: %w", err)
	}
	return parseRelease(unix.ByteSliceToString(u.Release[:]))
}

func parseRelease(release string) (Version, error) {
	var v Version
	if _, err := fmt.Sscanf(release, "%d.%d", &v.Major, &v.Minor); err != nil {
		return Version{}, fmt.Errorf("kernel release %q: expected MAJOR.MINOR: %w", release, err)
	}
	return v, nil
}

// Default is RuntimeDefault: the profile that Docker, containerd and their kin share, from its own module, with its
// inclusions and exclusions decided for a container. arch is a GOARCH, caps the container's bounding set ("CAP_CHOWN").
func Default(arch string, caps []string, kernel Version) (*specs.LinuxSeccomp, error) {
	return resolve(moby.DefaultProfile(), arch, caps, kernel)
}

// Load reads a profile file: the OCI form, or its superset with includes, excludes and archMap that Docker, Podman
// and CRI-O use. Arguments are those of Default.
func Load(profile []byte, arch string, caps []string, kernel Version) (*specs.LinuxSeccomp, error) {
	var p moby.Seccomp
	if err := json.Unmarshal(profile, &p); err != nil {
		return nil, fmt.Errorf("decode seccomp profile: %w", err)
	}
	return resolve(&p, arch, caps, kernel)
}

// resolve leaves of p what applies to one container. The module has a function for this, which asks about the build's
// architecture and the running kernel only.
func resolve(p *moby.Seccomp, arch string, caps []string, kernel Version) (*specs.LinuxSeccomp, error) {
	if p.DefaultAction == "" {
		return nil, errors.New("seccomp profile: no defaultAction; expected one such as SCMP_ACT_ERRNO")
	}
	out := p.LinuxSeccomp
	out.Architectures = slices.Clone(p.Architectures)
	for _, m := range p.ArchMap {
		if m.Arch == ociArch[arch] {
			out.Architectures = append(append(out.Architectures, m.Arch), m.SubArches...)
		}
	}
	out.Syscalls = nil
	for i, s := range p.Syscalls {
		if s == nil {
			return nil, fmt.Errorf("seccomp profile: syscalls[%d]: is null", i)
		}
		if !applies(s, arch, caps, kernel) {
			continue
		}
		rule := s.LinuxSyscall
		if s.Name != "" {
			if len(s.Names) > 0 {
				return nil, fmt.Errorf("seccomp profile: syscalls[%d]: has both name and names; use names", i)
			}
			rule.Names = []string{s.Name}
		}
		out.Syscalls = append(out.Syscalls, rule)
	}
	return &out, nil
}

// applies: excludes reject on any match, includes must match in full.
func applies(s *moby.Syscall, arch string, caps []string, kernel Version) bool {
	granted := func(c string) bool { return slices.Contains(caps, c) }
	if x := s.Excludes; x != nil {
		if slices.Contains(x.Arches, arch) || slices.ContainsFunc(x.Caps, granted) {
			return false
		}
		if x.MinKernel != nil && kernel.AtLeast(version(x.MinKernel)) {
			return false
		}
	}
	if n := s.Includes; n != nil {
		if len(n.Arches) > 0 && !slices.Contains(n.Arches, arch) {
			return false
		}
		if slices.ContainsFunc(n.Caps, func(c string) bool { return !granted(c) }) {
			return false
		}
		if n.MinKernel != nil && !kernel.AtLeast(version(n.MinKernel)) {
			return false
		}
	}
	return true
}

func version(v *moby.KernelVersion) Version { return Version{v.Kernel, v.Major} }
