package container

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/plan"
)

// deviceNodes are what every container has in /dev (OCI runtime specification, default devices), with their numbers.
// They are the host's own, mounted one by one: a user namespace must not make device nodes.
var deviceNodes = []struct {
	name         string
	major, minor uint32
}{{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}}

// deviceLinks are the symbolic links in /dev.
var deviceLinks = [][2]string{
	{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"},
	{"ptmx", "pts/ptmx"}, {"core", "/proc/kcore"},
}

// devices fills /dev, which is a tmpfs of ours.
func (b *builder) devices() {
	dev, ok := b.mounted["/dev"]
	if !ok {
		return
	}
	for _, d := range deviceNodes {
		what := "mount /dev/" + d.name
		source := b.hostDevice(what, "/dev/"+d.name, d.major, d.minor)
		fd := b.create(what, dev, d.name, 0o666, noLinks)
		b.moveOnto(what, source, fd)
	}
	for _, l := range deviceLinks {
		b.Call("make /dev/"+l[0], unix.SYS_SYMLINKAT, l[1], dev, l[0])
	}
}

// hostDevice makes a detached mount of a device of the host, which it checks to be that device and nothing else.
func (b *builder) hostDevice(what, path string, major, minor uint32) plan.Ref {
	fd := b.Call(what, unix.SYS_OPEN_TREE, atFDCWD, path, plan.Flags{
		Value: unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC | unix.AT_SYMLINK_NOFOLLOW, Name: "OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_SYMLINK_NOFOLLOW"})
	// struct statx (statx(2)): stx_mode is at 28, stx_rdev_major and stx_rdev_minor are at 128.
	const modeOffset, rdevOffset, size = 28, 128, 256
	statx := b.Room("statx", size)
	b.Call(what, unix.SYS_STATX, fd, "", plan.Flags{Value: unix.AT_EMPTY_PATH, Name: "AT_EMPTY_PATH"},
		plan.Flags{Value: unix.STATX_BASIC_STATS, Name: "STATX_BASIC_STATS"}, statx)
	b.Check(what+": it is a character device", statx.At(modeOffset), unix.S_IFMT, unix.S_IFCHR, int(unix.ENODEV))
	var number [8]byte
	binary.NativeEndian.PutUint32(number[0:], major)
	binary.NativeEndian.PutUint32(number[4:], minor)
	b.Check(what+": it has the right number", statx.At(rdevOffset), ^uint64(0), binary.NativeEndian.Uint64(number[:]), int(unix.ENODEV))
	return fd
}
