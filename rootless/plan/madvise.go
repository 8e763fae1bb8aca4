package plan

import (
	"os"

	"golang.org/x/sys/unix"
)

// Madvise is madvise(2) for memory that Go does not know of, such as this program's own text.
func Madvise(address, length uintptr, advice int) error {
	if _, _, errno := unix.Syscall(unix.SYS_MADVISE, address, length, uintptr(advice)); errno != 0 {
		return os.NewSyscallError("madvise", errno)
	}
	return nil
}
