package plan

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// flagNames print a set of flags by their names, in order.
type flagNames []Flags

func (names flagNames) String(v uint64) string {
	var set []string
	for _, n := range names {
		if v&n.Value == n.Value {
			set, v = append(set, n.Name), v&^n.Value
		}
	}
	if v != 0 || len(set) == 0 {
		set = append(set, fmt.Sprintf("%#x", v))
	}
	return strings.Join(set, "|")
}

var openFlags = flagNames{
	{unix.O_PATH, "O_PATH"}, {unix.O_DIRECTORY, "O_DIRECTORY"}, {unix.O_CREAT, "O_CREAT"}, {unix.O_EXCL, "O_EXCL"},
	{unix.O_WRONLY, "O_WRONLY"}, {unix.O_NOFOLLOW, "O_NOFOLLOW"}, {unix.O_CLOEXEC, "O_CLOEXEC"},
}

var resolveFlags = flagNames{
	{unix.RESOLVE_IN_ROOT, "IN_ROOT"}, {unix.RESOLVE_BENEATH, "BENEATH"}, {unix.RESOLVE_NO_SYMLINKS, "NO_SYMLINKS"},
	{unix.RESOLVE_NO_MAGICLINKS, "NO_MAGICLINKS"}, {unix.RESOLVE_NO_XDEV, "NO_XDEV"},
}

var mountFlags = flagNames{
	{unix.MOUNT_ATTR_RDONLY, "RDONLY"}, {unix.MOUNT_ATTR_NOSUID, "NOSUID"}, {unix.MOUNT_ATTR_NODEV, "NODEV"},
	{unix.MOUNT_ATTR_NOEXEC, "NOEXEC"}, {unix.MOUNT_ATTR_NOATIME, "NOATIME"}, {unix.MOUNT_ATTR_STRICTATIME, "STRICTATIME"},
}

var namespaceFlags = flagNames{
	{unix.CLONE_NEWUSER, "NEWUSER"}, {unix.CLONE_NEWNS, "NEWNS"}, {unix.CLONE_NEWPID, "NEWPID"}, {unix.CLONE_NEWNET, "NEWNET"},
	{unix.CLONE_NEWIPC, "NEWIPC"}, {unix.CLONE_NEWUTS, "NEWUTS"}, {unix.CLONE_NEWCGROUP, "NEWCGROUP"},
	{unix.CLONE_VM, "CLONE_VM"},
}

var filterFlags = flagNames{{unix.SECCOMP_FILTER_FLAG_LOG, "LOG"}, {unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, "SPEC_ALLOW"}}

// MountFlags are attributes of a mount (mount_setattr(2)).
func MountFlags(v uint64) Flags { return Flags{v, mountFlags.String(v)} }

// NamespaceFlags are kinds of namespaces (clone(2), setns(2), unshare(2)).
func NamespaceFlags(v uint64) Flags { return Flags{v, namespaceFlags.String(v)} }
