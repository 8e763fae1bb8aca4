package unpack

import (
	"archive/tar"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

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
