package container

import (
	"fmt"
	"path"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/plan"
)

// attributes are the mount options that are flags; all others are the file system's own.
var attributes = map[string]uint64{
	"ro": unix.MOUNT_ATTR_RDONLY, "nosuid": unix.MOUNT_ATTR_NOSUID, "nodev": unix.MOUNT_ATTR_NODEV, "noexec": unix.MOUNT_ATTR_NOEXEC,
	"noatime": unix.MOUNT_ATTR_NOATIME, "strictatime": unix.MOUNT_ATTR_STRICTATIME, "rw": 0, "bind": 0, "rbind": 0,
	// Instances of devpts are always new ones since Linux 4.7.
	"newinstance": 0,
}

func splitOptions(options []string) (attr uint64, data []string) {
	for _, o := range options {
		if a, ok := attributes[o]; ok {
			attr |= a
		} else {
			data = append(data, o)
		}
	}
	return attr, data
}

// mount appends one mount of the specification.
func (b *builder) mount(m specs.Mount) error {
	attr, data := splitOptions(m.Options)
	what := "mount " + m.Destination
	if m.Type == "bind" {
		return b.bind(what, m)
	}
	if given := b.given[m.Destination]; given != nil {
		b.attach(what, given, m.Destination)
		return nil
	}
	var fd plan.Ref
	switch m.Type {
	case "proc", "sysfs", "tmpfs", "devpts", "mqueue":
		fd = b.newMount(what, m.Type, attr, data)
	case "cgroup2":
		// A cgroup namespace shows only what is below its root, so this needs no further care. Kernels refuse the
		// mount where the host shows a part of the hierarchy only; the container then has none.
		b.optionalCgroup(attr)
		return nil
	default:
		return fmt.Errorf("unknown type %q", m.Type)
	}
	b.attach(what, fd, m.Destination)
	return nil
}

// attach mounts a file system of ours, and remembers it.
func (b *builder) attach(what string, fd any, destination string) {
	b.moveOnto(what, fd, b.target(what, destination))
	if b.mounted == nil {
		b.mounted = map[string]any{}
	}
	b.mounted[path.Clean(destination)] = fd
}

// newMount makes a detached mount of a new file system.
func (b *builder) newMount(what, fstype string, attr uint64, data []string) plan.Ref {
	fs := b.context(what, specs.Mount{Type: fstype}, data)
	b.Call(what, unix.SYS_FSCONFIG, fs, fsconfigCreate, nil, nil, 0)
	return b.fsmount(what, fs, attr)
}

var (
	fsconfigSetString = plan.Flags{Value: unix.FSCONFIG_SET_STRING, Name: "SET_STRING"}
	fsconfigCreate    = plan.Flags{Value: unix.FSCONFIG_CMD_CREATE, Name: "CMD_CREATE"}
)

// target finds the folder that a file system of ours goes to. Those at the top of the root must be real folders, as their
// contents are trusted later; below /dev and /sys, which then are ours, nothing of the image can be met.
func (b *builder) target(what, destination string) plan.Ref {
	dir, name := b.nearest(path.Clean(destination))
	if dir == any(b.root) {
		what += ": it must be a folder and no symbolic link"
	}
	return b.realFolder(what, dir, name)
}

// bind appends a bind mount, whose source the Plan inherits: a folder goes to a folder, any other file to a file.
func (b *builder) bind(what string, m specs.Mount) error {
	o, err := parseMountOptions(m)
	if err != nil {
		return err
	}
	source, destination := b.Inherit(bindFD+m.Destination), path.Clean(m.Destination)
	b.change(what, source, o)
	switch destination {
	case "/etc/hosts", "/etc/hostname", "/etc/resolv.conf": // these are known to be files
		b.moveOnto(what, source, b.file(what, b.root, relative(destination)))
	case "/proc", hostSysfs: // the host's: what is done to ours is done to it
		b.attach(what, source, destination)
	case "/dev/shm", "/dev/mqueue":
		b.moveOnto(what, source, b.realFolder(what, b.mounted["/dev"], path.Base(destination)))
	default:
		b.forget(destination)
		b.moveTree(what, source, destination)
	}
	return nil
}

// hostSysfs is the host's sysfs, and where a Pod in the host's network has it.
const hostSysfs = "/sys"

// late tells whether a bind mount covers, or is in, a file system of ours that is not finished when the others are made. It is mounted
// when that is.
func late(m specs.Mount) bool {
	destination := path.Clean(m.Destination)
	top, _, _ := strings.Cut(relative(destination), "/")
	if destination == hostSysfs && m.Source == hostSysfs {
		return false // it takes the place of ours
	}
	return m.Type == "bind" && (top == "dev" || top == "sys") && destination != "/dev/shm" && destination != "/dev/mqueue"
}

func (b *builder) moveOnto(what string, source any, target plan.Ref) {
	b.Call(what, unix.SYS_MOVE_MOUNT, source, "", target, "", plan.Flags{
		Value: unix.MOVE_MOUNT_F_EMPTY_PATH | unix.MOVE_MOUNT_T_EMPTY_PATH, Name: "F_EMPTY_PATH|T_EMPTY_PATH"})
	b.Call("", unix.SYS_CLOSE, target)
}

func (b *builder) setAttributes(what string, fd any, attr uint64) {
	const mountAttrSize = 32
	b.Call(what, unix.SYS_MOUNT_SETATTR, fd, "", plan.Flags{Value: unix.AT_EMPTY_PATH, Name: "AT_EMPTY_PATH"}, plan.MountAttr(attr, 0, 0), mountAttrSize)
}

// optionalCgroup mounts cgroup2 on /sys/fs/cgroup if the kernel lets it.
func (b *builder) optionalCgroup(attr uint64) {
	what := "mount /sys/fs/cgroup"
	fs := b.Call(what, unix.SYS_FSOPEN, "cgroup2", plan.Flags{Value: unix.FSOPEN_CLOEXEC, Name: "FSOPEN_CLOEXEC"})
	created := b.Try(unix.SYS_FSCONFIG, fs, fsconfigCreate, nil, nil, 0)
	b.When(created, func() {
		fd := b.Call(what, unix.SYS_FSMOUNT, fs, plan.Flags{Value: unix.FSMOUNT_CLOEXEC, Name: "FSMOUNT_CLOEXEC"}, plan.MountFlags(attr))
		target := b.open(what, b.mounted["/sys"], "fs/cgroup", unix.O_PATH|unix.O_DIRECTORY, noLinks)
		b.moveOnto(what, fd, target)
	})
}
