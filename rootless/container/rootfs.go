package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// overlay mounts layers with an upper directory and returns the mount, detached: it is in no mount namespace, so
// closing the descriptor is all it takes to undo it.
//
// Files that the container writes are never synced (volatile): without that the last unmount would sync the whole
// file system below. The attributes overlay keeps are in user.*, as trusted.* is closed to user namespaces (userxattr, Linux 5.11).
func overlay(lowers []string, upper, work string) (*os.File, error) {
	if !oldOverlay.Load() {
		f, err := overlayByLayer(lowers, upper, work)
		if !errors.Is(err, unix.EINVAL) {
			return f, err
		}
	}
	f, err := overlayByList(lowers, upper, work)
	if err == nil {
		oldOverlay.Store(true)
	}
	return f, err
}

// ReadOnly mounts layers, uppermost first, with nothing above them, detached. Overlay wants at least two directories then, so a single
// layer is mounted as it is.
func ReadOnly(layers []string) (*os.File, error) {
	if len(layers) == 1 {
		return OpenTree(layers[0], unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NODEV)
	}
	return overlay(layers, "", "")
}

// oldOverlay is set when the kernel has refused a mount layer by layer and taken the same one as a list.
var oldOverlay atomic.Bool

// overlayByLayer gives overlay its layers one by one (lowerdir+, Linux 6.8), so there is no limit on the length of
// the list. Older kernels say EINVAL, some of them not before the mount is made.
func overlayByLayer(lowers []string, upper, work string) (*os.File, error) {
	fs, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("fsopen overlay", err)
	}
	defer unix.Close(fs)
	for _, lower := range lowers {
		if err := unix.FsconfigSetString(fs, "lowerdir+", lower); err != nil {
			return nil, &os.PathError{Op: "overlay lowerdir", Path: lower, Err: contextError(fs, err)}
		}
	}
	for _, o := range [][2]string{{"upperdir", upper}, {"workdir", work}, {"source", "overlay"}} {
		if o[1] == "" {
			continue
		}
		if err := unix.FsconfigSetString(fs, o[0], o[1]); err != nil {
			return nil, &os.PathError{Op: "overlay " + o[0], Path: o[1], Err: contextError(fs, err)}
		}
	}
	flags := []string{"userxattr", "volatile"}
	if upper == "" {
		flags = flags[:1]
	}
	for _, flag := range flags {
		if err := unix.FsconfigSetFlag(fs, flag); err != nil {
			return nil, os.NewSyscallError("overlay "+flag, contextError(fs, err))
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return nil, os.NewSyscallError("mount overlay on "+upper, contextError(fs, err))
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NODEV)
	if err != nil {
		return nil, os.NewSyscallError("fsmount overlay", contextError(fs, err))
	}
	return os.NewFile(uintptr(fd), upper), nil
}

// contextError adds what the kernel says to a file system context's error; it is read from the context itself.
func contextError(fs int, err error) error {
	b := make([]byte, 512)
	n, readErr := unix.Read(fs, b)
	if readErr != nil || n == 0 {
		return err
	}
	return fmt.Errorf("%w (%s)", err, strings.TrimSpace(strings.TrimPrefix(string(b[:n]), "e ")))
}

// overlayByList mounts in the old way, all layers in one option: they must fit into a page. The mount is made
// on the work directory's parent, copied, and taken off again.
func overlayByList(lowers []string, upper, work string) (*os.File, error) {
	options := "userxattr,lowerdir=" + strings.Join(lowers, ":")
	if upper != "" {
		options += fmt.Sprintf(",upperdir=%s,workdir=%s,volatile", upper, work)
	}
	if len(options) >= os.Getpagesize() {
		return nil, fmt.Errorf("mount overlay: the image has too many layers (%d) for this kernel; Linux 6.8 takes more", len(lowers))
	}
	on := filepath.Dir(work)
	if work == "" {
		on = lowers[0]
	}
	if err := unix.Mount("overlay", on, "overlay", unix.MS_NODEV, options); err != nil {
		return nil, &os.PathError{Op: "mount overlay", Path: on, Err: err}
	}
	defer unix.Unmount(on, unix.MNT_DETACH)
	return OpenTree(on, 0)
}

// OpenTree returns a detached copy of what is mounted at a path of the host, everything below included, with further attributes
// (MOUNT_ATTR_RDONLY and the like).
func OpenTree(path string, attr uint64) (*os.File, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return nil, &os.PathError{Op: "open_tree", Path: path, Err: err}
	}
	if attr != 0 {
		if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: attr}); err != nil {
			unix.Close(fd)
			return nil, &os.PathError{Op: "mount_setattr", Path: path, Err: err}
		}
	}
	return os.NewFile(uintptr(fd), path), nil
}
