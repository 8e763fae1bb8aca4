package userns

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Write maps the ids of the user namespace that a process is in, which must be a child of the caller's: directly where the kernel
// lets the caller, else by newuidmap(1) and newgidmap(1).
func (m Maps) Write(pid int) error {
	for _, kind := range []struct {
		file, tool string
		extents    []syscall.SysProcIDMap
		own        int
	}{{"uid_map", "newuidmap", m.UIDs, os.Geteuid()}, {"gid_map", "newgidmap", m.GIDs, os.Getegid()}} {
		direct := privileged() || onlyOwn(kind.extents, kind.own)
		if !direct {
			if err := writeMap(kind.tool, pid, kind.extents); err != nil {
				return err
			}
			continue
		}
		if kind.file == "gid_map" && m.WithoutGroups() {
			if err := os.WriteFile(fmt.Sprintf("/proc/%d/setgroups", pid), []byte("deny"), 0); err != nil {
				return err
			}
		}
		text := ""
		for _, e := range kind.extents {
			text += fmt.Sprintf("%d %d %d\n", e.ContainerID, e.HostID, e.Size)
		}
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/%s", pid, kind.file), []byte(text), 0); err != nil {
			return err
		}
	}
	return nil
}

// WithoutGroups tells whether Write must forbid setgroups(2) in the namespace, as it does where a user without privileges maps the own
// group only (user_namespaces(7)).
func (m Maps) WithoutGroups() bool { return !privileged() && onlyOwn(m.GIDs, os.Getegid()) }

func onlyOwn(extents []syscall.SysProcIDMap, own int) bool {
	return len(extents) == 1 && extents[0].Size == 1 && extents[0].HostID == own
}

// privileged tells whether the caller may map any ids of its own user namespace.
func privileged() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	const both = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID
	return unix.Capget(&header, &data[0]) == nil && data[0].Effective&both == both
}
