package container

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/plan"
)

// A user without subordinate ids has one id, and so have containers. Those that run as root, or begin as root, are root of the
// Pod's user namespace, and a filter pretends that they change to other ids (seccomp.Pretend). Those that ask for another
// user get a user namespace of their own in which the one id has that number: programs that check who they are find what
// they expect, and the image's files, which all belong to the one id, are theirs.

// fold changes a specification into one for a single id, but for its seccomp profile, which Runtime.Seccomp has given already.
func fold(spec *specs.Spec) {
	user := &spec.Process.User
	user.AdditionalGids = nil // setgroups(2) is forbidden in such a namespace, user_namespaces(7)
	if user.UID != 0 || user.GID != 0 {
		spec.Linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: user.UID, HostID: 0, Size: 1}}
		spec.Linux.GIDMappings = []specs.LinuxIDMapping{{ContainerID: user.GID, HostID: 0, Size: 1}}
	}
	for i := range spec.Mounts {
		// The group tty of terminals is not there.
		spec.Mounts[i].Options = slices.DeleteFunc(slices.Clone(spec.Mounts[i].Options), func(o string) bool { return strings.HasPrefix(o, "gid=") })
	}
}

// rename appends what gives the one id other numbers. self is this process's folder in a procfs that is gone by now. It comes after
// all mounts, for they belong to the Pod's user namespace and cannot be changed from one below it.
func (b *builder) rename(self any, l *specs.Linux) {
	const what = "make a user namespace for the container's user"
	b.Call(what, unix.SYS_UNSHARE, plan.Flags{Value: unix.CLONE_NEWUSER, Name: "CLONE_NEWUSER"})
	for _, m := range []struct {
		file string
		ids  specs.LinuxIDMapping
	}{{"uid_map", l.UIDMappings[0]}, {"gid_map", l.GIDMappings[0]}} {
		fd := b.Call(what, unix.SYS_OPENAT, self, m.file, plan.Flags{Value: unix.O_WRONLY | unix.O_CLOEXEC, Name: "O_WRONLY|O_CLOEXEC"}, 0)
		text := fmt.Sprintf("%d %d %d\n", m.ids.ContainerID, m.ids.HostID, m.ids.Size)
		b.Call(what, unix.SYS_WRITE, fd, text, len(text))
		b.Call("", unix.SYS_CLOSE, fd)
	}
}

// Apt fetches as a user of its own, and looks whether it has become that user, which nobody can here. These settings let it stay root.
const (
	AptSettings = "// There is one user only.\nAPT::Sandbox::User \"root\";\n"
	aptConf     = "etc/apt/apt.conf.d/00single-id"
)

// HasApt tells whether a root file system has a folder for apt's settings.
func HasApt(root *os.File) bool {
	fd, err := unix.Openat2(int(root.Fd()), path.Dir(aptConf), &unix.OpenHow{Flags: pathFlags | unix.O_DIRECTORY, Resolve: inRoot})
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}
