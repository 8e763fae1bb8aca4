package unpack

import (
	"archive/tar"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// entry makes what a header says. Its steps and their order are the storage library's, as far as they can be told apart
// from outside: the parent directories, the removal of what is there, whiteouts, the file, its metadata.
func (u *unpacker) entry(hdr *tar.Header, p *payload) error {
	at, err := split(hdr.Name)
	if err != nil {
		return err
	}
	if at.isRoot() {
		return u.rootEntry(hdr)
	}
	parent, err := u.dirs.get(at.dir, true)
	if strings.HasPrefix(at.base, whiteoutPrefix) {
		return u.whiteout(hdr, parent, at, err)
	}
	if err != nil {
		return err
	}
	switch hdr.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
		p.raw = p.raw || parent.linked()
		return u.regular(hdr, parent, at, p)
	case tar.TypeDir:
		return u.directory(hdr, parent, at)
	case tar.TypeSymlink:
		return u.symlink(hdr, parent, at)
	case tar.TypeFifo:
		return u.fifo(hdr, parent, at)
	case tar.TypeLink:
		return u.hardLink(hdr, parent, at)
	case tar.TypeChar, tar.TypeBlock, tar.TypeXGlobalHeader:
		return u.clear(parent, at) // a user namespace makes no device nodes
	}
	return fmt.Errorf("type %q of a tar header is not known", hdr.Typeflag)
}

// rootEntry applies metadata to the root.
func (u *unpacker) rootEntry(hdr *tar.Header) error {
	if hdr.Typeflag != tar.TypeDir {
		return errRoot
	}
	fd, err := openDir(u.dirs.root, ".")
	if err != nil {
		return sys("open", ".", err)
	}
	defer unix.Close(fd)
	mode := hdr.FileInfo().Mode()
	u.layer.RootMode = &mode
	u.times.add(".", hdr)
	return u.dirMetadata(fd, hdr)
}

// directory makes a directory, or gives the one that is there other metadata.
func (u *unpacker) directory(hdr *tar.Header, parent dir, at place) error {
	made, err := u.mkdir(parent, at)
	if err != nil {
		return err
	}
	fd, err := openDir(parent.fd, at.base)
	if err != nil {
		return sys("open", at.String(), err)
	}
	if err := u.dirMetadata(fd, hdr); err != nil {
		unix.Close(fd)
		return err
	}
	if made {
		// Its children come next.
		u.dirs.put(dir{name: at.String(), real: path.Join(parent.real, at.base), fd: fd})
	} else {
		unix.Close(fd)
	}
	u.times.add(at.String(), hdr)
	return nil
}

func (u *unpacker) mkdir(parent dir, at place) (made bool, err error) {
	err = u.create(parent, at, func() error {
		err := unix.Mkdirat(parent.fd, at.base, 0o700)
		if err == unix.EEXIST {
			if st, stErr := lstat(parent.fd, at.base); stErr == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
				return nil
			}
		}
		made = err == nil
		return sys("mkdir", at.String(), err)
	})
	return made, err
}

func (u *unpacker) dirMetadata(fd int, hdr *tar.Header) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return sys("fstat", hdr.Name, err)
	}
	if err := u.chown(fd, owner{st.Uid, st.Gid}, hdr); err != nil {
		return err
	}
	u.foreign = u.foreign || ownerOf(hdr).gid != u.self.gid
	if err := unix.Fchmod(fd, permissions(hdr)); err != nil {
		return sys("fchmod", hdr.Name, err)
	}
	return xattrs(hdr, func(name string, value []byte) error { return unix.Fsetxattr(fd, name, value, 0) })
}

func (u *unpacker) symlink(hdr *tar.Header, parent dir, at place) error {
	if strings.IndexByte(hdr.Linkname, 0) >= 0 {
		return errNUL
	}
	err := u.create(parent, at, func() error {
		return sys("symlink", at.String(), unix.Symlinkat(hdr.Linkname, parent.fd, at.base))
	})
	if err != nil {
		return err
	}
	if err := u.chownNew(parent, at.base, hdr); err != nil {
		return err
	}
	if err := unix.UtimesNanoAt(parent.fd, at.base, linkTimes(hdr), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return sys("utimensat", at.String(), err)
	}
	return xattrs(hdr, func(name string, value []byte) error {
		return unix.Lsetxattr(procPath(parent.fd)+"/"+at.base, name, value, 0)
	})
}

func (u *unpacker) fifo(hdr *tar.Header, parent dir, at place) error {
	err := u.create(parent, at, func() error {
		return sys("mknod", at.String(), unix.Mknodat(parent.fd, at.base, unix.S_IFIFO|permissions(hdr)&0o777, 0))
	})
	if err != nil {
		return err
	}
	return u.inodeMetadata(hdr, parent, at)
}

// hardLink gives an earlier file another name. The header's metadata counts for both.
func (u *unpacker) hardLink(hdr *tar.Header, parent dir, at place) error {
	to, err := splitLink(hdr.Linkname)
	if err != nil {
		return err
	}
	if err := u.clear(parent, at); err != nil {
		return err
	}
	from, release, err := u.dirs.peek(to.dir)
	if err != nil {
		return err
	}
	defer release()
	if err := unix.Linkat(from.fd, to.base, parent.fd, at.base, 0); err != nil {
		return &os.LinkError{Op: "link", Old: to.String(), New: at.String(), Err: err}
	}
	return u.inodeMetadata(hdr, parent, at)
}

// inodeMetadata serves files that cannot be opened without consequences.
func (u *unpacker) inodeMetadata(hdr *tar.Header, parent dir, at place) error {
	fd, err := openPlainly(parent.fd, at.base, unix.O_NOFOLLOW)
	if err != nil {
		return sys("open", at.String(), err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return sys("fstat", at.String(), err)
	}
	if err := u.chown(fd, owner{st.Uid, st.Gid}, hdr); err != nil {
		return err
	}
	set := func(name string, value []byte) error { return unix.Setxattr(procPath(fd), name, value, 0) }
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		set = func(name string, value []byte) error {
			return unix.Lsetxattr(procPath(parent.fd)+"/"+at.base, name, value, 0)
		}
		return xattrs(hdr, set)
	}
	if err := unix.Chmod(procPath(fd), permissions(hdr)); err != nil {
		return sys("chmod", at.String(), err)
	}
	if err := unix.UtimesNanoAt(fd, "", times(hdr), unix.AT_EMPTY_PATH); err != nil {
		return sys("utimensat", at.String(), err)
	}
	return xattrs(hdr, set)
}
