package plan

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

func interpreterAddress() uintptr
func pauseAddress() uintptr

// endMark follows the last instruction of an assembly program. (Split, so that no copy of it stands here.)
var endMark = append([]byte("peap"), "od.."...)

const maxCode = 4096

// code returns the bytes of an assembly program in this process's text, from its first instruction to its end mark.
func code(address uintptr) []byte {
	text := unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&address))), maxCode)
	for n := 4; n < maxCode-len(endMark); n++ {
		if bytes.Equal(text[n:n+len(endMark)], endMark) {
			return text[:n]
		}
	}
	panic("plan: assembly program without an end mark")
}

// elfAddress is where a program is loaded: the traditional place of a static executable.
const elfAddress = 0x40_0000

// elf wraps code into the smallest ELF executable (elf(5)): header, one loadable segment with read and execute, code.
func elf(code []byte) []byte {
	const header, segment = 64, 56
	e, size := binary.LittleEndian, uint64(header+segment+len(code))
	b := append([]byte{0x7f, 'E', 'L', 'F', 2, 1, 1}, make([]byte, 9)...)
	b = e.AppendUint16(b, 2) // ET_EXEC
	b = e.AppendUint16(b, elfMachine)
	b = e.AppendUint32(b, 1)
	b = e.AppendUint64(b, elfAddress+header+segment) // entry
	b = e.AppendUint64(b, header)                    // program headers
	b = e.AppendUint64(b, 0)                         // section headers
	b = e.AppendUint32(b, 0)
	for _, v := range []uint16{header, segment, 1, 0, 0, 0} {
		b = e.AppendUint16(b, v)
	}
	b = e.AppendUint32(b, 1) // PT_LOAD
	b = e.AppendUint32(b, 5) // PF_R|PF_X
	for _, v := range []uint64{0, elfAddress, elfAddress, size, size, 0x1000} {
		b = e.AppendUint64(b, v)
	}
	return append(b, code...)
}

// Program is a sealed, executable memfd. It lives as long as this process and is never closed.
type Program struct{ file *os.File }

// Interpreter and Pause return the two assembly programs.
var (
	Interpreter = sync.OnceValues(func() (*Program, error) { return newProgram("interpreter", interpreterAddress()) })
	Pause       = sync.OnceValues(func() (*Program, error) { return newProgram("pause", pauseAddress()) })
)

// File is the program's descriptor, to be handed to a process; it must not be closed.
func (p *Program) File() *os.File { return p.file }

// mfdExec asks for an executable memfd where vm.memfd_noexec is 1; kernels before 6.3 do not know it.
const mfdExec = 0x10

func newProgram(name string, address uintptr) (*Program, error) {
	fd, err := sealedMemfd("peapod-"+name, elf(code(address)), mfdExec)
	if errors.Is(err, unix.EACCES) {
		return nil, fmt.Errorf("%w: the sysctl vm.memfd_noexec is 2, which forbids programs in memory; set it to 0 or 1", err)
	}
	if err != nil {
		return nil, err
	}
	return &Program{os.NewFile(uintptr(fd), name)}, nil
}

// sealedMemfd returns a close-on-exec memfd with the given content that nobody can change any more.
func sealedMemfd(name string, content []byte, flags int) (int, error) {
	flags |= unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags)
	if errors.Is(err, unix.EINVAL) && flags&mfdExec != 0 {
		fd, err = unix.MemfdCreate(name, flags&^mfdExec)
	}
	if err != nil {
		return -1, os.NewSyscallError("memfd_create", err)
	}
	if n, err := unix.Write(fd, content); err != nil || n != len(content) {
		unix.Close(fd)
		return -1, fmt.Errorf("write memfd %s: %d of %d bytes: %w", name, n, len(content), err)
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		unix.Close(fd)
		return -1, os.NewSyscallError("seal memfd", err)
	}
	return fd, nil
}
