package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// ErrNotDelegated says that there is no cgroup v2 subtree that this user may use. The error around it says why, and the way out.
var ErrNotDelegated = errors.New("cgroups are not delegated")

// needed are the controllers without which limits mean nothing; used are those that limits are set by.
var (
	needed = []string{"cpu", "memory"}
	used   = []string{"cpu", "memory", "pids"}
)

func notDelegated(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrNotDelegated, fmt.Sprintf(format, args...))
}

// Detect gives the directory of the caller's own cgroup, from the texts of /proc/self/cgroup and /proc/self/mountinfo.
func Detect(selfCgroup, selfMountinfo string) (dir string, err error) {
	own, err := ownPath(selfCgroup)
	if err != nil {
		return "", err
	}
	mounts, err := mountinfo.GetMountsFromReader(strings.NewReader(selfMountinfo), nil)
	if err != nil {
		return "", fmt.Errorf("parse mountinfo: %w", err)
	}
	for _, m := range slices.Backward(mounts) { // a later mount covers an earlier one
		if m.FSType != "cgroup2" {
			continue
		}
		below, err := filepath.Rel(m.Root, own)
		if err != nil || below == ".." || strings.HasPrefix(below, "../") {
			continue
		}
		if v1 := legacy(mounts); v1 != "" {
			return "", notDelegated("controllers are in cgroup v1 hierarchies (%s); boot with systemd.unified_cgroup_hierarchy=1", v1)
		}
		return filepath.Join(m.Mountpoint, below), nil
	}
	if v1 := legacy(mounts); v1 != "" {
		return "", notDelegated("the host uses cgroup v1 (%s); boot with systemd.unified_cgroup_hierarchy=1", v1)
	}
	return "", notDelegated("cgroup2 is not mounted where %s can be seen", own)
}

// ownPath is the v2 line of /proc/self/cgroup: "0::PATH".
func ownPath(selfCgroup string) (string, error) {
	for line := range strings.Lines(selfCgroup) {
		if path, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok {
			if !filepath.IsAbs(path) {
				return "", fmt.Errorf("/proc/self/cgroup: path %q: expected an absolute one", path)
			}
			return path, nil
		}
	}
	return "", notDelegated("the host uses cgroup v1; boot with systemd.unified_cgroup_hierarchy=1")
}

// legacy names a mounted v1 hierarchy of a needed controller.
func legacy(mounts []*mountinfo.Info) string {
	for _, m := range mounts {
		options := strings.Split(m.VFSOptions, ",")
		if m.FSType == "cgroup" && slices.ContainsFunc(needed, func(c string) bool { return slices.Contains(options, c) }) {
			return m.Mountpoint
		}
	}
	return ""
}

// Probe finds the subtree that the caller may use: its own cgroup, or the one above when the caller is a node that has
// entered it already.
func Probe() (*Manager, error) {
	self, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, notDelegated("%v", err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	dir, err := Detect(string(self), string(mounts))
	if err != nil {
		return nil, err
	}
	if filepath.Base(dir) == nodeName {
		dir = filepath.Dir(dir)
	}
	return At(dir)
}

// At takes dir as the root, after checking that it may be used.
func At(dir string) (*Manager, error) {
	for _, name := range []string{"", "cgroup.procs", "cgroup.subtree_control"} {
		if err := unix.Access(filepath.Join(dir, name), unix.W_OK); err != nil {
			return nil, notDelegated("%s: %v; start the node by systemd --user, with Delegate=yes", filepath.Join(dir, name), err)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return nil, notDelegated("%v", err)
	}
	controllers := strings.Fields(string(text))
	for _, c := range needed {
		if !slices.Contains(controllers, c) {
			return nil, notDelegated("%s: controller %s is missing; add Delegate=cpu memory pids to user@.service", dir, c)
		}
	}
	controllers = slices.DeleteFunc(controllers, func(c string) bool { return !slices.Contains(used, c) })
	return &Manager{root: Group{dir, controllers}}, nil
}
