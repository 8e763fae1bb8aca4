package unpack

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

var errKernel = errors.New("the kernel has no openat2: Linux 5.8 or later is needed")

// plainly is how names are resolved: neither up nor through a link. Where one is on the way, resolve takes over.
const plainly = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

// openPlainly opens without following a link anywhere; a link as the last component needs O_NOFOLLOW in flags.
func openPlainly(at int, name string, flags uint64) (int, error) {
	return openat2(at, name, &unix.OpenHow{Flags: flags | unix.O_PATH | unix.O_CLOEXEC, Resolve: plainly})
}

// openat2 retries: EAGAIN means that a rename anywhere in the system came between, EINTR a signal.
func openat2(at int, name string, how *unix.OpenHow) (int, error) {
	for {
		fd, err := unix.Openat2(at, name, how)
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ENOSYS):
			return -1, errKernel
		default:
			return fd, err
		}
	}
}

// openDir opens a directory for reading; a symbolic link is an error.
func openDir(at int, name string) (int, error) {
	how := &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: plainly}
	return openat2(at, name, how)
}

func lstat(at int, name string) (unix.Stat_t, error) {
	var st unix.Stat_t
	err := unix.Fstatat(at, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st, err
}

// procPath names an open file, for calls that take no descriptor, or none with O_PATH. It leads to the very file, never
// to what a symbolic link says.
func procPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
