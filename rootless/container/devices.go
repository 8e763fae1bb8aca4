package container

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/plan"
)

// deviceNodes are what every container has in /dev (OCI runtime specification, default devices), with their numbers.
// They are the host's own, mounted one by one: a user namespace must not make device nodes.
var deviceNodes = []deviceNode{{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}}

type deviceNode struct {
	name         string
	major, minor uint32
}

// deviceLinks are the symbolic links in /dev.
var deviceLinks = [][2]string{
	{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"},
	{"ptmx", "pts/ptmx"}, {"core", "/proc/kcore"},
}

// devices fills /dev, which is a tmpfs of ours: with what every container has, and more.
func (b *builder) devices(more []specs.LinuxDevice) {
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
	for _, d := range more {
		b.device(dev, d)
	}
}

// device adds one of the host's character devices to /dev, under the name that it has there.
func (b *builder) device(dev any, d specs.LinuxDevice) {
	what := "mount " + d.Path
	folder, name := path.Split(strings.TrimPrefix(path.Clean(d.Path), "/dev/"))
	source := b.hostDevice(what, d.Path, uint32(d.Major), uint32(d.Minor))
	for _, part := range strings.Split(strings.Trim(folder, "/"), "/") {
		if part != "" {
			dev = b.realFolder(what, dev, part)
		}
	}
	b.moveOnto(what, source, b.create(what, dev, name, 0o666, noLinks))
}

// Devices are the character devices of the host that this process may read and write, besides those that every container has and
// terminals.
func Devices() ([]specs.LinuxDevice, error) {
	var list []specs.LinuxDevice
	err := filepath.WalkDir("/dev", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil && entry != nil && entry.IsDir(), entry != nil && slices.Contains(ownFolders, name):
			return fs.SkipDir
		case err != nil || entry.Type() != fs.ModeDevice|fs.ModeCharDevice || strings.HasPrefix(name, "/dev/tty"):
			return nil
		case name == "/dev/console",
			slices.ContainsFunc(deviceNodes, func(d deviceNode) bool { return name == "/dev/"+d.name }),
			slices.ContainsFunc(deviceLinks, func(l [2]string) bool { return name == "/dev/"+l[0] }):
			return nil
		}
		var stat unix.Stat_t
		if unix.Faccessat(unix.AT_FDCWD, name, unix.R_OK|unix.W_OK, unix.AT_EACCESS) != nil || unix.Lstat(name, &stat) != nil {
			return nil
		}
		list = append(list, specs.LinuxDevice{
			Path: name, Type: "c", Major: int64(unix.Major(uint64(stat.Rdev))), Minor: int64(unix.Minor(uint64(stat.Rdev))),
		})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	return list, nil
}

// ownFolders are the parts of /dev that a container has of its own.
var ownFolders = []string{"/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/hugepages"}

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
