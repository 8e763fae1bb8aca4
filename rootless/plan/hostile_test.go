package plan

import (
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// TestProgramsCannotBeChanged does to the programs that run in containers what a container did to runc through /proc/self/exe (CVE-2019-5736):
// opens them anew, for writing, and tries all ways to change them.
func TestProgramsCannotBeChanged(t *testing.T) {
	for name, get := range map[string]func() (*Program, error){"interpreter": Interpreter, "pause": Pause} {
		t.Run(name, func(t *testing.T) {
			program, err := get()
			if err != nil {
				t.Fatal(err)
			}
			fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", program.File().Fd()), unix.O_RDWR|unix.O_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
			mapped, mapErr := unix.Mmap(fd, 0, 64, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			if mapErr == nil {
				_ = unix.Munmap(mapped)
			}
			_, writeErr := unix.Pwrite(fd, []byte{0x7f}, 0)
			_, sealErr := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, 0)
			for act, err := range map[string]error{
				"write": writeErr, "map": mapErr, "seal": sealErr, "truncate": unix.Ftruncate(fd, 64), "grow": unix.Ftruncate(fd, 1<<20),
				"punch": unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, 64),
			} {
				if !errors.Is(err, unix.EPERM) {
					t.Errorf("%s: %v", act, err)
				}
			}
		})
	}
}
