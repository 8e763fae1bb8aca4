package unpack

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// create makes a file; if something is in the way, that is removed first.
func (u *unpacker) create(parent dir, at place, call func() error) error {
	err := call()
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	if err := u.clear(parent, at); err != nil {
		return err
	}
	return call()
}

// clearFor does not remove a directory for an entry that is one.
func (u *unpacker) clearFor(hdr *tar.Header, parent dir, at place) error {
	if hdr.Typeflag == tar.TypeDir {
		if st, err := lstat(parent.fd, at.base); err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			return nil
		}
	}
	return u.clear(parent, at)
}

// clear removes what is at a place, with all beneath it.
func (u *unpacker) clear(parent dir, at place) error {
	st, err := lstat(parent.fd, at.base)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return sys("lstat", at.String(), err)
	}
	u.dirs.stale, u.removed = true, true
	isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
	if u.layer.Replaced == "" && (isDir || st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size > 0) {
		u.layer.Replaced = at.String()
	}
	if !isDir {
		return sys("unlink", at.String(), unix.Unlinkat(parent.fd, at.base, 0))
	}
	return sys("remove", at.String(), removeTree(parent.fd, at.base))
}

// removeTree removes a directory however deep it is, with two descriptors: directories in it that are not empty are
// moved up to its own level.
func removeTree(parent int, name string) error {
	if err := unix.Unlinkat(parent, name, unix.AT_REMOVEDIR); err != unix.ENOTEMPTY {
		return err
	}
	top, err := openDir(parent, name)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(top), name)
	defer f.Close()
	moved := 0
	err = eachChild(f, func(child string) error {
		err := unlink(top, child)
		if err != unix.ENOTEMPTY {
			return err
		}
		return lift(top, child, &moved)
	})
	if err != nil {
		return err
	}
	return unix.Unlinkat(parent, name, unix.AT_REMOVEDIR)
}

// lift moves what is in a directory of top to top, as far as it cannot be removed at once, and removes the directory.
func lift(top int, name string, moved *int) error {
	fd, err := openDir(top, name)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	err = eachChild(f, func(child string) error {
		err := unlink(fd, child)
		for err == unix.ENOTEMPTY || err == unix.EEXIST {
			*moved++
			err = unix.Renameat2(fd, child, top, ".moved-"+strconv.Itoa(*moved), unix.RENAME_NOREPLACE)
		}
		return err
	})
	if err != nil {
		return err
	}
	return unix.Unlinkat(top, name, unix.AT_REMOVEDIR)
}

// unlink removes anything but a directory that is not empty: that is ENOTEMPTY.
func unlink(at int, name string) error {
	err := unix.Unlinkat(at, name, 0)
	if err == unix.EISDIR {
		err = unix.Unlinkat(at, name, unix.AT_REMOVEDIR)
	}
	return err
}

// eachChild calls remove, which removes them, for all names in a directory until there are none.
func eachChild(f *os.File, remove func(name string) error) error {
	for some := true; some; {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		some = false
		for {
			names, err := f.Readdirnames(1024)
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
			for _, name := range names {
				if err := remove(name); err != nil {
					return err
				}
			}
			some = true
		}
	}
	return nil
}
