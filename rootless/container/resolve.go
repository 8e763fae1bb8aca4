package container

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/plan"
)

// Everything in this file finds places in a file system that its image, or another container, may have laid out to mislead.

const pathFlags = unix.O_PATH | unix.O_CLOEXEC

var atFDCWD = plan.Flags{Value: 0xffffffffffffff9c, Name: "AT_FDCWD"} // -100

// inRoot follows symbolic links as if dir were the root, and none that procfs makes up.
const inRoot = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS

// noLinks follows none at all and does not leave dir.
const noLinks = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

// relative is a path below dir as openat2 wants it.
func relative(p string) string {
	if r := strings.TrimPrefix(path.Clean("/"+p), "/"); r != "" {
		return r
	}
	return "."
}

func (b *builder) tryOpen(dir any, name string, flags int, resolve uint64) plan.Ref {
	return b.Try(unix.SYS_OPENAT2, dir, name, plan.OpenHow(flags|unix.O_CLOEXEC, 0, resolve), openHowSize)
}

func (b *builder) open(what string, dir any, name string, flags int, resolve uint64) plan.Ref {
	return b.Call(what, unix.SYS_OPENAT2, dir, name, plan.OpenHow(flags|unix.O_CLOEXEC, 0, resolve), openHowSize)
}

func (b *builder) create(what string, dir any, name string, mode uint32, resolve uint64) plan.Ref {
	return b.Call(what, unix.SYS_OPENAT2, dir, name, plan.OpenHow(unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, mode, resolve), openHowSize)
}

const openHowSize = 24

// realFolder finds a folder at the top of dir that is no symbolic link, and makes it if nothing is there.
func (b *builder) realFolder(what string, dir any, name string) plan.Ref {
	b.Try(unix.SYS_MKDIRAT, dir, name, 0o755)
	return b.open(what, dir, name, unix.O_PATH|unix.O_DIRECTORY, noLinks)
}

// folder finds a folder in dir, and makes it and its parents if they are missing.
func (b *builder) folder(what string, dir any, name string) plan.Ref {
	b.Unless(b.tryOpen(dir, name, unix.O_PATH|unix.O_DIRECTORY, inRoot), func() {
		b.parents(dir, name)
		b.makeIn(dir, name)
	})
	return b.open(what, dir, name, unix.O_PATH|unix.O_DIRECTORY, inRoot)
}

// file finds a file in dir, and makes an empty one if there is none. A symbolic link that leads nowhere is replaced.
func (b *builder) file(what string, dir any, name string) plan.Ref {
	b.Unless(b.tryOpen(dir, name, unix.O_PATH, inRoot), func() {
		b.parents(dir, name)
		parent := b.open(what, dir, path.Dir(name), unix.O_PATH|unix.O_DIRECTORY, inRoot)
		b.Try(unix.SYS_UNLINKAT, parent, path.Base(name), 0)
		fd := b.create(what, parent, path.Base(name), 0o644, noLinks)
		b.Call("", unix.SYS_CLOSE, fd)
		b.Call("", unix.SYS_CLOSE, parent)
	})
	return b.open(what, dir, name, unix.O_PATH, inRoot)
}

// parents makes the folders above name.
func (b *builder) parents(dir any, name string) {
	parts := strings.Split(path.Dir(name), "/")
	for i := range parts {
		if parts[i] != "." {
			b.makeIn(dir, path.Join(parts[:i+1]...))
		}
	}
}

// makeIn makes one folder whose parent is there. It is no error if it exists.
func (b *builder) makeIn(dir any, name string) {
	b.When(b.tryOpen(dir, path.Dir(name), unix.O_PATH|unix.O_DIRECTORY, inRoot), func() {
		parent := b.Last()
		b.Try(unix.SYS_MKDIRAT, parent, path.Base(name), 0o755)
		b.Call("", unix.SYS_CLOSE, parent)
	})
}
