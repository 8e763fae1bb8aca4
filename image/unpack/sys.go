package unpack

import (
	"errors"
	"strconv"
)

var errKernel = errors.New("the kernel has no openat2: Linux 5.8 or later is needed")

// procPath names an open file, for calls that take no descriptor, or none with O_PATH. It leads to the very file, never
// to what a symbolic link says.
func procPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
