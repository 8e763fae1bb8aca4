package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/userns"
)

// loadBundle reads and checks a bundle. Paths of the host in the result are absolute.
func loadBundle(dir string) (*specs.Spec, string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, "", err
	}
	path := filepath.Join(dir, "config.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, "", err
	}
	s, err := parse(text)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	if err := fillIn(s); err != nil {
		return nil, "", err
	}
	settle(s.Process.Capabilities)
	s.Root.Path = under(dir, s.Root.Path)
	if info, err := os.Stat(s.Root.Path); err == nil && !info.IsDir() {
		return nil, "", fmt.Errorf("root.path %s: is no folder", s.Root.Path)
	}
	for i := range s.Mounts {
		if m := &s.Mounts[i]; isBind(*m) && m.Source != "" {
			m.Source = under(dir, m.Source)
		}
	}
	return s, dir, nil
}

// fillIn maps the user's own and subordinate ids where a new user namespace has no maps, as crun does.
func fillIn(s *specs.Spec) error {
	l := s.Linux
	if !makes(s, specs.UserNamespace) || len(l.UIDMappings) > 0 {
		return nil
	}
	own, err := user.LookupId(strconv.Itoa(os.Geteuid()))
	m := userns.Single(os.Geteuid(), os.Getegid())
	if err == nil {
		ranges, err := userns.Ranges(own)
		if err != nil && !errors.Is(err, userns.ErrNoRanges) {
			return err
		}
		if err == nil {
			m = ranges
		}
	}
	convert := func(list []syscall.SysProcIDMap) (out []specs.LinuxIDMapping) {
		for _, e := range list {
			out = append(out, specs.LinuxIDMapping{ContainerID: uint32(e.ContainerID), HostID: uint32(e.HostID), Size: uint32(e.Size)})
		}
		return out
	}
	l.UIDMappings, l.GIDMappings = convert(m.UIDs), convert(m.GIDs)
	return nil
}

// settle leaves out ambient capabilities that cannot be had, because they are not permitted and inheritable too (capabilities(7)).
func settle(c *specs.LinuxCapabilities) {
	if c != nil {
		c.Ambient = slices.DeleteFunc(slices.Clone(c.Ambient), func(name string) bool {
			return !slices.Contains(c.Permitted, name) || !slices.Contains(c.Inheritable, name)
		})
	}
}

// parse decodes and checks a config.json.
func parse(text []byte) (*specs.Spec, error) {
	s := &specs.Spec{}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return s, Check(s)
}

func isBind(m specs.Mount) bool {
	for _, o := range m.Options {
		if o == "bind" || o == "rbind" {
			return true
		}
	}
	return m.Type == "bind"
}

func under(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

// makes tells whether a specification has a new namespace of a type.
func makes(s *specs.Spec, kind specs.LinuxNamespaceType) bool {
	for _, n := range s.Linux.Namespaces {
		if n.Type == kind {
			return n.Path == ""
		}
	}
	return false
}

// idMaps are the maps of a new user namespace.
func idMaps(l *specs.Linux) userns.Maps {
	convert := func(list []specs.LinuxIDMapping) (out []syscall.SysProcIDMap) {
		for _, m := range list {
			out = append(out, syscall.SysProcIDMap{ContainerID: int(m.ContainerID), HostID: int(m.HostID), Size: int(m.Size)})
		}
		return out
	}
	return userns.Maps{UIDs: convert(l.UIDMappings), GIDs: convert(l.GIDMappings)}
}

// checkCaller turns away who cannot run the container, or must not. It returns whether its groups cannot be set.
func checkCaller(s *specs.Spec) (withoutGroups bool, err error) {
	hasUser := false
	for _, n := range s.Linux.Namespaces {
		hasUser = hasUser || n.Type == specs.UserNamespace
	}
	switch {
	case makes(s, specs.UserNamespace):
		withoutGroups = idMaps(s.Linux).WithoutGroups()
	case hasUser:
	case os.Geteuid() != 0:
		return false, errors.New("linux.namespaces: without a user namespace only its root can do this; add one with uidMappings and gidMappings, or call this below unshare --map-root-user --map-auto")
	case initialNamespace():
		return false, errors.New("linux.namespaces: the container would be root of the host; add a user namespace, or be an ordinary user")
	default:
		text, err := os.ReadFile("/proc/self/setgroups")
		withoutGroups = err == nil && strings.TrimSpace(string(text)) == "deny"
	}
	if withoutGroups && len(s.Process.User.AdditionalGids) > 0 {
		err = errors.New("process.user.additionalGids: a user namespace with a single group has no others (user_namespaces(7)); map subordinate ids")
	}
	return withoutGroups, err
}

// initialNamespace tells whether the caller is in the user namespace of the host.
func initialNamespace() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	return err != nil || strings.Join(strings.Fields(string(text)), " ") == "0 0 4294967295"
}

// dropOwnUser leaves out a user namespace by path that is the caller's own, which cannot be joined again (setns(2)).
func dropOwnUser(l *specs.Linux) error {
	for i, n := range l.Namespaces {
		if n.Type != specs.UserNamespace || n.Path == "" {
			continue
		}
		var own, there unix.Stat_t
		if err := unix.Stat("/proc/self/ns/user", &own); err != nil {
			return &os.PathError{Op: "stat", Path: "/proc/self/ns/user", Err: err}
		}
		if err := unix.Stat(n.Path, &there); err != nil {
			return &os.PathError{Op: "stat", Path: n.Path, Err: err}
		}
		if own.Ino == there.Ino && own.Dev == there.Dev {
			l.Namespaces = append(l.Namespaces[:i:i], l.Namespaces[i+1:]...)
		}
		return nil
	}
	return nil
}
