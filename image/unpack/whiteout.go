package unpack

import (
	"archive/tar"
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

// Names by which a tar says that something of the layers below is gone (OCI image specification, layer.md).
const (
	whiteoutPrefix = ".wh."
	opaqueName     = ".wh..wh..opq"

	opaqueXattr = "user.overlay.opaque" // what overlay reads when mounted with userxattr
)

// whiteout makes what overlay takes for a deletion: a character device 0:0, the only one a user namespace may make, or
// the mark of a directory that hides all below it. dirErr is the error of opening the parent: under a parent that is
// itself deleted, or a file, there is nothing to delete.
func (u *unpacker) whiteout(hdr *tar.Header, parent dir, at place, dirErr error) error {
	if at.base == opaqueName {
		if dirErr != nil {
			return dirErr
		}
		return u.opaque(hdr, parent, at)
	}
	target := strings.TrimPrefix(at.base, whiteoutPrefix)
	if target == "" || target == "." || target == ".." {
		return errWhiteout
	}
	if errors.Is(dirErr, unix.ENOTDIR) {
		return nil
	}
	if dirErr != nil {
		return dirErr
	}
	if err := u.clearFor(hdr, parent, at); err != nil {
		return err
	}
	if err := unix.Mknodat(parent.fd, target, unix.S_IFCHR, 0); err != nil {
		return sys("mknod", target, err)
	}
	return u.chownNew(parent, target, hdr)
}

func (u *unpacker) opaque(hdr *tar.Header, parent dir, at place) error {
	if err := u.clearFor(hdr, parent, at); err != nil {
		return err
	}
	fd, err := openDir(parent.fd, ".")
	if err != nil {
		return sys("open", at.dir, err)
	}
	defer unix.Close(fd)
	return sys("setxattr", at.dir, unix.Fsetxattr(fd, opaqueXattr, []byte("y"), 0))
}
