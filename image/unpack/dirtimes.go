package unpack

import (
	"archive/tar"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// dirTimes remembers the times of directories until all is in them, since every new file changes its directory's. One
// directory takes its name and about 20 bytes.
type dirTimes struct{ packed []byte }

func (d *dirTimes) add(name string, hdr *tar.Header) {
	d.packed = binary.AppendUvarint(d.packed, uint64(len(name)))
	d.packed = append(d.packed, name...)
	d.packed = binary.AppendVarint(d.packed, clamped(hdr.AccessTime))
	d.packed = binary.AppendVarint(d.packed, clamped(hdr.ModTime))
}

// apply sets the times, in the order of the stream: of two entries for one directory the later counts.
func (d *dirTimes) apply(u *unpacker) error {
	for p := d.packed; len(p) > 0; {
		length, n := binary.Uvarint(p)
		name := string(p[n : n+int(length)])
		p = p[n+int(length):]
		accessed, n := binary.Varint(p)
		p = p[n:]
		modified, n := binary.Varint(p)
		p = p[n:]
		if err := u.setDirTimes(name, timespec(accessed), timespec(modified)); err != nil {
			return &EntryError{Name: name, Err: err}
		}
	}
	d.packed = nil
	return nil
}

func (u *unpacker) setDirTimes(name string, accessed, modified unix.Timespec) error {
	at := splitClean(name)
	parent, err := u.dirs.get(at.dir, false)
	if err != nil {
		return err
	}
	if u.removed {
		st, err := lstat(parent.fd, at.base)
		if err != nil {
			return sys("lstat", name, err)
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return nil // something took its place
		}
	}
	ts := []unix.Timespec{accessed, modified}
	return sys("utimensat", name, unix.UtimesNanoAt(parent.fd, at.base, ts, unix.AT_SYMLINK_NOFOLLOW))
}
