package volume

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// beneath does not leave the folder that resolution begins in, and follows no link that procfs makes up. Symbolic links within it are
// followed.
const beneath = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS

// Part is the volume, or what is in it, for a container.
type Part struct {
	File *os.File // O_PATH
	Path string   // for errors, and for who wants a path: it may lead elsewhere by the time it is used
}

// Open finds a volume, or what subPath leads to in it. What is missing of that becomes folders with the mode of the volume, as with
// the kubelet.
func Open(place, subPath string) (*Part, error) {
	fd, err := unix.Open(place, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: place, Err: err}
	}
	root := os.NewFile(uintptr(fd), place)
	if subPath == "" || path.Clean(subPath) == "." {
		return &Part{root, place}, nil
	}
	defer root.Close()
	at := path.Join(place, subPath)
	f, err := openBeneath(root, subPath)
	if errors.Is(err, unix.ENOENT) {
		if err = makeBeneath(root, subPath); err == nil {
			f, err = openBeneath(root, subPath)
		}
	}
	switch {
	case errors.Is(err, unix.EXDEV):
		return nil, fmt.Errorf("subpath %q not within volume path %q", at, place)
	case err != nil:
		return nil, &os.PathError{Op: "open subPath", Path: at, Err: err}
	}
	return &Part{f, at}, nil
}

// openBeneath finds a path in a folder. The kernel says EAGAIN when something in it was renamed meanwhile and the path has "..", also by way
// of a symbolic link: it cannot tell then whether the folder was left (openat2(2)).
func openBeneath(root *os.File, name string) (*os.File, error) {
	const tries = 128
	for range tries {
		fd, err := unix.Openat2(int(root.Fd()), name, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: beneath})
		if err == nil {
			return os.NewFile(uintptr(fd), path.Join(root.Name(), name)), nil
		}
		if err != unix.EAGAIN && err != unix.EINTR {
			return nil, err
		}
	}
	return nil, unix.EAGAIN
}

// OpenFile opens a regular file of a volume for reading. Links in the volume lead to where they lead for a process whose root it is. A FIFO that a
// container has put there does not hold up anybody (O_NONBLOCK), and is refused.
func OpenFile(place, name string) (*os.File, error) {
	root, err := os.Open(place)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	at := path.Join(place, name)
	fd, err := unix.Openat2(int(root.Fd()), name, &unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: at, Err: err}
	}
	f := os.NewFile(uintptr(fd), at)
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, &os.PathError{Op: "open", Path: at, Err: errors.Join(err, errors.New("is no regular file"))}
	}
	return f, nil
}

// makeBeneath makes the folders of a path that are missing.
func makeBeneath(root *os.File, name string) error {
	var stat unix.Stat_t
	if err := unix.Fstat(int(root.Fd()), &stat); err != nil {
		return err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		return unix.ENOTDIR
	}
	parts := strings.Split(path.Clean(name), "/")
	for i, part := range parts {
		parent, err := openBeneath(root, path.Join(append([]string{"."}, parts[:i]...)...))
		if err != nil {
			return err
		}
		err = makeFolder(parent, part, stat.Mode&0o7777)
		parent.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// makeFolder makes a folder with exactly that mode. Something that is there is left alone.
func makeFolder(parent *os.File, name string, mode uint32) error {
	err := unix.Mkdirat(int(parent.Fd()), name, 0o700)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	if err != nil {
		return err
	}
	fd, err := unix.Openat(int(parent.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fchmod(fd, mode)
}

// Tree is a detached copy of the part and of what is mounted below it.
func (p *Part) Tree() (*os.File, error) {
	fd, err := unix.OpenTree(int(p.File.Fd()), "", unix.AT_EMPTY_PATH|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return nil, &os.PathError{Op: "open_tree", Path: p.Path, Err: err}
	}
	return os.NewFile(uintptr(fd), p.Path), nil
}
