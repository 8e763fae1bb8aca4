package unpack

import (
	"archive/tar"
	"bytes"

	"golang.org/x/sys/unix"
)

// regular makes a file: in the plain case by openat, write, fchmod, utimensat, close.
func (u *unpacker) regular(hdr *tar.Header, parent dir, at place, p *payload) error {
	fd := -1
	err := u.create(parent, at, func() error {
		var err error
		fd, err = unix.Openat(parent.fd, at.base, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		return sys("open", at.String(), err)
	})
	if err != nil {
		return err
	}
	if err := u.fill(fd, hdr, p); err != nil {
		unix.Close(fd)
		return err
	}
	return sys("close", at.String(), unix.Close(fd))
}

func (u *unpacker) fill(fd int, hdr *tar.Header, p *payload) error {
	write := func(b []byte) error { return sys("write", hdr.Name, writeAll(fd, b)) }
	if p.sparse {
		h := &holes{fd: fd}
		write = func(b []byte) error { return sys("write", hdr.Name, h.write(b)) }
	}
	if err := p.copy(write); err != nil {
		return err
	}
	if p.sparse {
		if err := unix.Ftruncate(fd, p.size); err != nil {
			return sys("ftruncate", hdr.Name, err)
		}
	}
	if u.foreign || u.self != ownerOf(hdr) {
		if err := u.chowned(hdr, unix.Fchown(fd, hdr.Uid, hdr.Gid)); err != nil {
			return err
		}
	}
	// After chown, which clears the set-user-ID bit; always, since umask and a default ACL have a say in open's mode.
	if err := unix.Fchmod(fd, permissions(hdr)); err != nil {
		return sys("fchmod", hdr.Name, err)
	}
	if err := unix.UtimesNanoAt(fd, "", times(hdr), unix.AT_EMPTY_PATH); err != nil {
		return sys("utimensat", hdr.Name, err)
	}
	return xattrs(hdr, func(name string, value []byte) error { return unix.Fsetxattr(fd, name, value, 0) })
}

func writeAll(fd int, p []byte) error {
	for len(p) > 0 {
		n, err := unix.Write(fd, p)
		if err != nil && err != unix.EINTR {
			return err
		}
		p = p[max(n, 0):]
	}
	return nil
}

// holes writes a file with holes where the content is zero.
type holes struct {
	fd     int
	offset int64
}

const holeSize = 4096

func (h *holes) write(p []byte) error {
	for len(p) > 0 {
		n := min(len(p), holeSize)
		if !zero(p[:n]) {
			for n < len(p) && !zero(p[n:min(len(p), n+holeSize)]) {
				n = min(len(p), n+holeSize)
			}
			if err := pwriteAll(h.fd, p[:n], h.offset); err != nil {
				return err
			}
		}
		h.offset += int64(n)
		p = p[n:]
	}
	return nil
}

var zeros [holeSize]byte

func zero(p []byte) bool { return bytes.Equal(p, zeros[:len(p)]) }

func pwriteAll(fd int, p []byte, offset int64) error {
	for len(p) > 0 {
		n, err := unix.Pwrite(fd, p, offset)
		if err != nil && err != unix.EINTR {
			return err
		}
		n = max(n, 0)
		p, offset = p[n:], offset+int64(n)
	}
	return nil
}
