package container

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/plan"
)

// Everything in this file works below the descriptors of the procfs and sysfs that the Plan itself has mounted.

// sysctls writes kernel parameters through the container's procfs.
func (b *builder) sysctls(values map[string]string) error {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		path := "sys/" + strings.ReplaceAll(name, ".", "/")
		b.writeProc(fmt.Sprintf("set sysctl %s to %s", name, values[name]), path, values[name])
	}
	if len(names) > 0 && b.mounted["/proc"] == nil {
		return fmt.Errorf("sysctls need a procfs on /proc")
	}
	return nil
}

// adjustOOM makes the process a likelier victim when memory runs out. It cannot be made a less likely one without
// privileges on the host.
func (b *builder) adjustOOM(score *int) {
	if score == nil || b.mounted["/proc"] == nil {
		return
	}
	b.writeProc("set oom_score_adj", "self/oom_score_adj", strconv.Itoa(*score))
}

func (b *builder) writeProc(what, path, value string) {
	// The image may have a link here from a place where a file was mounted (/etc/hosts), and so have put that in the parameter's place.
	fd := b.open(what, b.mounted["/proc"], path, unix.O_WRONLY, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_MAGICLINKS|unix.RESOLVE_NO_XDEV)
	b.Call(what, unix.SYS_WRITE, fd, value, len(value))
	b.Call("", unix.SYS_CLOSE, fd)
}

// below splits a path into the descriptor of the mount that it is in, else of the root file system, and the rest.
func (b *builder) below(path string) (fd any, rest string) {
	for _, top := range []string{"/proc", "/sys"} {
		if fd := b.mounted[top]; fd != nil && strings.HasPrefix(path, top+"/") {
			return fd, relative(strings.TrimPrefix(path, top))
		}
	}
	return b.root, relative(path)
}

// mask hides paths: a folder under an empty read-only tmpfs, a file under the host's /dev/null, which is checked to be
// that. What is missing needs no mask; what cannot be told, as behind a symbolic link, keeps the container from starting.
func (b *builder) mask(paths []string) {
	for _, path := range paths {
		dir, name := b.below(path)
		what := "mask " + path
		b.Either(b.tryOpen(dir, name, unix.O_PATH|unix.O_DIRECTORY, noLinks), func() {
			target := b.Last()
			b.moveOnto(what, b.newMount(what, "tmpfs", unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC, nil), target)
		}, func() {
			b.WhenThere(b.open(what, dir, name, unix.O_PATH, noLinks), func() {
				target := b.Last()
				b.moveOnto(what, b.hostDevice(what, "/dev/null", 1, 3), target)
			})
		})
	}
}

// protect makes paths read-only, with all that is mounted below them.
func (b *builder) protect(paths []string) {
	for _, path := range paths {
		dir, name := b.below(path)
		what := "make " + path + " read-only"
		b.WhenThere(b.open(what, dir, name, unix.O_PATH, noLinks), func() {
			target := b.Last()
			clone := b.Call(what, unix.SYS_OPEN_TREE, target, "", plan.Flags{
				Value: unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC | unix.AT_EMPTY_PATH | unix.AT_RECURSIVE, Name: "OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_EMPTY_PATH|AT_RECURSIVE"})
			b.setAttributes(what, clone, unix.MOUNT_ATTR_RDONLY)
			b.moveOnto(what, clone, target)
		})
	}
}
