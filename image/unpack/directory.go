package unpack

import (
	"archive/tar"
	"path"

	"golang.org/x/sys/unix"
)

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
