package container

import (
	"fmt"
	"path"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/plan"
)

// takeSources copies the root file system and the sources of bind mounts, by paths of the host, into detached mounts.
func (b *builder) takeSources(root string, mounts []specs.Mount) ([]any, error) {
	b.root = b.hostTree("open the root file system "+root, root, true)
	sources := make([]any, len(mounts))
	for i, m := range mounts {
		o, err := parseMountOptions(m)
		if err != nil {
			return nil, fmt.Errorf("mount %s: %w", m.Destination, err)
		}
		if o.bind {
			sources[i] = b.hostTree("mount "+m.Destination+": open "+m.Source, m.Source, o.recursive)
		}
	}
	return sources, nil
}

// hostTree makes a detached copy of what is mounted at a path of the host.
func (b *builder) hostTree(what, path string, recursive bool) plan.Ref {
	flags := plan.Flags{Value: unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC, Name: "OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC"}
	if recursive {
		flags = plan.Flags{Value: flags.Value | unix.AT_RECURSIVE, Name: flags.Name + "|AT_RECURSIVE"}
	}
	return b.Call(what, unix.SYS_OPEN_TREE, atFDCWD, path, flags)
}

// bundleMount appends one mount of a bundle.
func (b *builder) bundleMount(m specs.Mount, source any, n bundleNamespaces) error {
	o, err := parseMountOptions(m)
	if err != nil {
		return err
	}
	what, destination := "mount "+m.Destination, path.Clean("/"+m.Destination)
	b.forget(destination)
	if o.bind {
		b.change(what, source, o)
		b.moveTree(what, source, destination)
		return nil
	}
	switch m.Type {
	case "cgroup", "cgroup2":
		b.cgroup(what, destination, o)
		return nil
	}
	if shown, ok := shownNamespace[m.Type]; ok && n.inherits(shown) {
		b.orHosts(what, destination, m, o)
		return nil
	}
	fs := b.context(what, m, o.data)
	b.Call(what, unix.SYS_FSCONFIG, fs, fsconfigCreate, nil, nil, 0)
	fd := b.fsmount(what, fs, o.set)
	b.change(what, fd, mountOptions{propagation: o.propagation})
	b.moveOnto(what, fd, b.place(what, destination))
	b.mounted[destination] = fd
	return nil
}

// shownNamespace are the file systems that show a namespace.
var shownNamespace = map[string]specs.LinuxNamespaceType{
	"proc": specs.PIDNamespace, "sysfs": specs.NetworkNamespace, "mqueue": specs.IPCNamespace,
}

// orHosts mounts a file system that shows a namespace of the caller. The kernel refuses that if the namespace belongs to a user namespace
// above the container's; then the container sees what is at the same place on the host.
func (b *builder) orHosts(what, destination string, m specs.Mount, o mountOptions) {
	fs := b.context(what, m, o.data)
	b.Either(b.Try(unix.SYS_FSCONFIG, fs, fsconfigCreate, nil, nil, 0), func() {
		fd := b.fsmount(what, fs, o.set)
		b.change(what, fd, mountOptions{propagation: o.propagation})
		b.moveOnto(what, fd, b.place(what, destination))
	}, func() {
		fd := b.hostTree(what, destination, true)
		b.change(what, fd, o)
		b.moveOnto(what, fd, b.place(what, destination))
	})
	b.mounted[destination] = b.open(what, b.root, relative(destination), unix.O_PATH|unix.O_DIRECTORY, noLinks)
}

// cgroup mounts cgroup2 if the kernel lets it: on a host that shows only a part of the hierarchy it does not, and the container has none.
func (b *builder) cgroup(what, destination string, o mountOptions) {
	fs := b.Call(what, unix.SYS_FSOPEN, "cgroup2", plan.Flags{Value: unix.FSOPEN_CLOEXEC, Name: "FSOPEN_CLOEXEC"})
	b.When(b.Try(unix.SYS_FSCONFIG, fs, fsconfigCreate, nil, nil, 0), func() {
		b.moveOnto(what, b.fsmount(what, fs, o.set), b.place(what, destination))
	})
}

// context opens a new file system with its options.
func (b *builder) context(what string, m specs.Mount, data []string) plan.Ref {
	fs := b.Call(what, unix.SYS_FSOPEN, m.Type, plan.Flags{Value: unix.FSOPEN_CLOEXEC, Name: "FSOPEN_CLOEXEC"})
	if m.Source != "" {
		b.Call(what, unix.SYS_FSCONFIG, fs, fsconfigSetString, "source", m.Source, 0)
	}
	for _, option := range data {
		if key, value, ok := strings.Cut(option, "="); ok {
			b.Call(what+": option "+option, unix.SYS_FSCONFIG, fs, fsconfigSetString, key, value, 0)
		} else {
			b.Call(what+": option "+option, unix.SYS_FSCONFIG, fs, plan.Flags{Value: unix.FSCONFIG_SET_FLAG, Name: "SET_FLAG"}, key, nil, 0)
		}
	}
	return fs
}

func (b *builder) fsmount(what string, fs any, attr uint64) plan.Ref {
	fd := b.Call(what, unix.SYS_FSMOUNT, fs, plan.Flags{Value: unix.FSMOUNT_CLOEXEC, Name: "FSMOUNT_CLOEXEC"}, plan.MountFlags(attr))
	b.Call("", unix.SYS_CLOSE, fs)
	return fd
}

// change gives a detached mount the attributes and the propagation of its options.
func (b *builder) change(what string, fd any, o mountOptions) {
	const mountAttrSize = 32
	for _, c := range []struct {
		set, clear, propagation uint64
		recursive               bool
	}{{o.set, o.clear, 0, false}, {o.setAll, o.clearAll, 0, true}, {0, 0, o.propagation, o.propagateAll}} {
		if c.set|c.clear|c.propagation == 0 {
			continue
		}
		at := plan.Flags{Value: unix.AT_EMPTY_PATH, Name: "AT_EMPTY_PATH"}
		if c.recursive {
			at = plan.Flags{Value: unix.AT_EMPTY_PATH | unix.AT_RECURSIVE, Name: "AT_EMPTY_PATH|AT_RECURSIVE"}
		}
		b.Call(what, unix.SYS_MOUNT_SETATTR, fd, "", at, plan.MountAttr(c.set, c.clear, c.propagation), mountAttrSize)
	}
}

// moveTree moves a bind mount to its place: a folder's to a folder, any other file's to a file.
func (b *builder) moveTree(what string, source any, destination string) {
	b.Either(b.Try(unix.SYS_OPENAT, source, ".", plan.Flags{Value: pathFlags | unix.O_DIRECTORY, Name: "O_PATH|O_DIRECTORY|O_CLOEXEC"}, 0), func() {
		b.moveOnto(what, source, b.place(what, destination))
	}, func() {
		dir, name := b.nearest(destination)
		b.moveOnto(what, source, b.file(what, dir, name))
	})
}

// place finds the folder for a mount, and makes it if it is missing. /proc, /sys and /dev, whose contents are trusted later, must be no
// symbolic links.
func (b *builder) place(what, destination string) plan.Ref {
	dir, name := b.nearest(destination)
	switch destination {
	case "/proc", "/sys", "/dev":
		return b.realFolder(what+": it must be a folder and no symbolic link", dir, name)
	}
	return b.folder(what, dir, name)
}

// nearest is the new file system that a path is in, and the path below it; or the root file system.
func (b *builder) nearest(destination string) (dir any, name string) {
	for parent := path.Dir(destination); parent != "/"; parent = path.Dir(parent) {
		if fd, ok := b.mounted[parent]; ok {
			return fd, relative(strings.TrimPrefix(destination, parent))
		}
	}
	return b.root, relative(destination)
}

// forget drops what is about to be covered.
func (b *builder) forget(destination string) {
	for known := range b.mounted {
		if known == destination || strings.HasPrefix(known, destination+"/") {
			delete(b.mounted, known)
		}
	}
}

// propagateRoot sets the propagation of the root file system. By default it is a slave of the host's.
func (b *builder) propagateRoot(name string) error {
	if name == "" {
		return nil
	}
	o := mountOptions{}
	if !o.propagate(name) {
		return fmt.Errorf("linux.rootfsPropagation %q: expected shared, slave, private or unbindable, or one of them with r in front", name)
	}
	b.change("set the propagation of the root file system", b.root, o)
	return nil
}
