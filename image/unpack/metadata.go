package unpack

import (
	"archive/tar"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

type owner struct{ uid, gid uint32 }

func ownerOf(hdr *tar.Header) owner { return owner{uint32(hdr.Uid), uint32(hdr.Gid)} }

// chown gives an open file its owner unless it is the one it has. Even then it would clear the file's capabilities.
func (u *unpacker) chown(fd int, has owner, hdr *tar.Header) error {
	if has == ownerOf(hdr) {
		return nil
	}
	return u.chowned(hdr, unix.Fchownat(fd, "", hdr.Uid, hdr.Gid, unix.AT_EMPTY_PATH))
}

// chownNew does so for a file that was just made, by its name. A new file belongs to the process, but its group may come
// from its directory: by the set-group-ID bit, or as the file system is mounted.
func (u *unpacker) chownNew(parent dir, name string, hdr *tar.Header) error {
	if !u.foreign && u.self == ownerOf(hdr) {
		return nil
	}
	return u.chowned(hdr, unix.Fchownat(parent.fd, name, hdr.Uid, hdr.Gid, unix.AT_SYMLINK_NOFOLLOW))
}

// chowned judges the error of a chown.
func (u *unpacker) chowned(hdr *tar.Header, err error) error {
	if err == nil || u.o.IgnoreChownErrors && (err == unix.EINVAL || err == unix.EPERM) {
		return nil
	}
	return chownError(hdr.Uid, hdr.Gid, err)
}

// permissions are the bits of a header's mode that chmod takes.
func permissions(hdr *tar.Header) uint32 { return uint32(hdr.Mode & 0o7777) }

// times returns the access and modification times that the storage library gives a file: never accessed before it was
// modified.
func times(hdr *tar.Header) []unix.Timespec {
	accessed := hdr.AccessTime
	if accessed.Before(hdr.ModTime) {
		accessed = hdr.ModTime
	}
	return []unix.Timespec{timespec(clamped(accessed)), timespec(clamped(hdr.ModTime))}
}

// linkTimes does so for symbolic links: here the library lets times before 1970 be.
func linkTimes(hdr *tar.Header) []unix.Timespec {
	accessed := hdr.AccessTime
	if accessed.Before(hdr.ModTime) {
		accessed = hdr.ModTime
	}
	ts := make([]unix.Timespec, 0, 2)
	for _, t := range []time.Time{accessed, hdr.ModTime} {
		if t.IsZero() {
			ts = append(ts, unix.Timespec{Nsec: unix.UTIME_OMIT})
		} else {
			ts = append(ts, timespec(t.UnixNano()))
		}
	}
	return ts
}

// clamped turns a time into nanoseconds since 1970, 0 if it is before or does not fit.
func clamped(t time.Time) int64 {
	if t.Before(time.Unix(0, 0)) || t.After(time.Unix(0, 1<<63-1)) {
		return 0
	}
	return t.UnixNano()
}

func timespec(ns int64) unix.Timespec { return unix.NsecToTimespec(ns) }

// xattrPrefix marks extended attributes among PAX records.
const xattrPrefix = "SCHILY.xattr."

// xattrs sets the header's extended attributes by set. As in the storage library, the host's SELinux label is left out,
// and what the file system or a user namespace does not permit (trusted.*, user.* of a symbolic link) is too.
func xattrs(hdr *tar.Header, set func(name string, value []byte) error) error {
	var names []string
	for key := range hdr.PAXRecords {
		if name, ok := strings.CutPrefix(key, xattrPrefix); ok && name != "security.selinux" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		err := set(name, []byte(hdr.PAXRecords[xattrPrefix+name]))
		if err != nil && !errors.Is(err, unix.ENOTSUP) && !errors.Is(err, unix.EPERM) {
			return sys("setxattr", name, err)
		}
	}
	return nil
}
