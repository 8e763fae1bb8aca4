package volume

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// groupBits are added to the mode of what belongs to a volume's group: it may read and, if anybody may, write; what is made in a folder
// belongs to it too (kubernetes/pkg/volume, volume_linux.go).
func groupBits(folder, readOnly bool) uint32 {
	bits := uint32(0o660)
	if readOnly {
		bits = 0o440
	}
	if folder {
		bits |= unix.S_ISGID | 0o110
	}
	return bits
}

// SetGroup gives everything in a volume to a group. With the policy OnRootMismatch nothing is done if the volume's folder belongs to it
// already.
func SetGroup(place string, gid int64, readOnly bool, policy corev1.PodFSGroupChangePolicy) error {
	root, err := os.OpenRoot(place)
	if err != nil {
		return err
	}
	defer root.Close()
	if policy == corev1.FSGroupChangeOnRootMismatch && belongs(place, gid, readOnly) {
		return nil
	}
	// The volume's folder comes last: it tells that all else is done.
	if err := setGroupBelow(root, gid, readOnly); err != nil {
		return err
	}
	return setGroup(root, ".", gid, readOnly)
}

// setGroupBelow passes over what is gone by the time its turn comes: another Pod may be at work in the volume.
func setGroupBelow(root *os.Root, gid int64, readOnly bool) error {
	return fs.WalkDir(root.FS(), ".", func(name string, _ fs.DirEntry, err error) error {
		if err == nil && name != "." {
			err = setGroup(root, name, gid, readOnly)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

func setGroup(root *os.Root, name string, gid int64, readOnly bool) error {
	info, err := root.Lstat(name)
	if err != nil {
		return err
	}
	if err := root.Lchown(name, -1, int(gid)); err != nil || info.Mode().Type() == fs.ModeSymlink {
		return err
	}
	// The mode is that from before the change of the group, which takes set-id bits away. os.FileMode keeps the set-id bits elsewhere: only what is missing is added.
	bits := groupBits(info.IsDir(), readOnly)
	mode := info.Mode() | fs.FileMode(bits&0o777)
	if bits&unix.S_ISGID != 0 {
		mode |= fs.ModeSetgid
	}
	return root.Chmod(name, mode)
}

// belongs tells whether a folder has the group and the bits that SetGroup gives it.
func belongs(place string, gid int64, readOnly bool) bool {
	var stat unix.Stat_t
	if err := unix.Lstat(place, &stat); err != nil {
		return false
	}
	bits := groupBits(true, readOnly)
	return int64(stat.Gid) == gid && stat.Mode&bits == bits
}
