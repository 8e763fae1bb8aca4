package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Mode of a folder that a Pod's containers, whatever their users, share.
const sharedMode = 0o777

// Mounts prepares the folder where a Pod's mounts and files are: a tmpfs. Done again, nothing changes.
func Mounts(dir string) error {
	return mountOnce(dir, func() error {
		return mount("volumes", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755")
	})
}

// Unmount takes off everything that Mounts and its like have mounted at or below dir, and removes it. Nothing there is no error.
func Unmount(dir string) error {
	if err := unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return &os.PathError{Op: "unmount", Path: dir, Err: err}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// mountOnce makes a folder and what is mounted on it, unless that is there.
func mountOnce(dir string, make func() error) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	var stat unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, dir, unix.AT_SYMLINK_NOFOLLOW, 0, &stat); err != nil {
		return &os.PathError{Op: "statx", Path: dir, Err: err}
	}
	if stat.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		return nil
	}
	return make()
}

func mount(source, target, kind string, flags uintptr, options string) error {
	if err := unix.Mount(source, target, kind, flags, options); err != nil {
		return &os.PathError{Op: "mount", Path: target, Err: err}
	}
	return nil
}

// Owner says whom a volume belongs to.
type Owner struct {
	Group *int64 // fsGroup; nil: to nobody in particular
	Mode  uint32 // of its folder; 0: 0777
}

// EmptyDir makes a folder for an emptyDir volume. Its mode, which is given to it last, tells that it is ready.
func EmptyDir(dir string, o Owner) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return o.own(dir)
}

// Memory mounts a tmpfs for an emptyDir volume. size is in bytes; 0 is the kernel's default, half of the memory. Its mode tells the same.
func Memory(dir string, size int64, o Owner) error {
	err := mountOnce(dir, func() error {
		options := "mode=000"
		if size > 0 {
			options += fmt.Sprintf(",size=%d", size)
		}
		return mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options)
	})
	if err != nil {
		return err
	}
	return o.own(dir)
}

// own gives a folder that has no mode yet its group and mode.
func (o Owner) own(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil || info.Mode().Perm() != 0 {
		return err
	}
	mode := uint32(sharedMode)
	if o.Mode != 0 {
		mode = o.Mode
	}
	if o.Group != nil {
		if err := os.Lchown(dir, -1, int(*o.Group)); err != nil {
			return err
		}
		mode |= groupBits(true, false)
	}
	if err := unix.Chmod(dir, mode); err != nil {
		return &os.PathError{Op: "chmod", Path: dir, Err: err}
	}
	return nil
}

// Image mounts layers, uppermost first, read-only. Overlay wants an upper directory or two lower ones, so an image of a single layer is mounted
// as it is.
func Image(dir string, layers []string, overlay func(layers []string) (*os.File, error)) error {
	return mountOnce(dir, func() error {
		f, err := overlay(layers)
		if err != nil {
			return err
		}
		defer f.Close()
		return moveOnto(f, dir)
	})
}

// Share makes a place whose mounts are seen by all containers that have a copy of it. from is the volume.
func Share(dir, from string) error {
	return mountOnce(dir, func() error {
		if err := mount(from, dir, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return err
		}
		return mount("", dir, "", unix.MS_SHARED|unix.MS_REC, "")
	})
}

func moveOnto(f *os.File, dir string) error {
	if err := unix.MoveMount(int(f.Fd()), "", unix.AT_FDCWD, dir, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return &os.PathError{Op: "move_mount", Path: dir, Err: err}
	}
	return nil
}
