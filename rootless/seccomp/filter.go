package seccomp

import (
	"encoding/binary"
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Filter is a program for SECCOMP_SET_MODE_FILTER, at most 4096 instructions.
type Filter []unix.SockFilter

// Bytes is the program as an array of struct sock_filter {u16 code; u8 jt, jf; u32 k}, little-endian, 8 bytes each.
func (f Filter) Bytes() []byte {
	b := make([]byte, 0, 8*len(f))
	for _, i := range f {
		b = binary.LittleEndian.AppendUint16(b, i.Code)
		b = append(b, i.Jt, i.Jf)
		b = binary.LittleEndian.AppendUint32(b, i.K)
	}
	return b
}

// String lists the program, one instruction a line; targets of jumps are line numbers.
func (f Filter) String() string {
	var b strings.Builder
	for pc, i := range f {
		fmt.Fprintf(&b, "%4d  %s\n", pc, describe(pc, i))
	}
	return b.String()
}

var jumps = map[uint16]string{opEq: "==", opGt: ">", opGe: ">="}

func describe(pc int, i unix.SockFilter) string {
	switch i.Code {
	case opLoad:
		return "load " + word(i.K)
	case opAnd:
		return fmt.Sprintf("and %#x", i.K)
	case opRet:
		return "return " + verdict(i.K).String()
	case opJump:
		return fmt.Sprintf("goto %d", pc+1+int(i.K))
	}
	if op, ok := jumps[i.Code]; ok {
		return fmt.Sprintf("if %s %#x goto %d else %d", op, i.K, pc+1+int(i.Jt), pc+1+int(i.Jf))
	}
	return fmt.Sprintf("code %#x k %#x jt %d jf %d", i.Code, i.K, i.Jt, i.Jf)
}

// word names a word of struct seccomp_data.
func word(offset uint32) string {
	switch {
	case offset == offNumber:
		return "number"
	case offset == offArch:
		return "arch"
	case offset < offArgs:
		return fmt.Sprintf("ip+%d", offset-8)
	}
	n := offset - offArgs
	return fmt.Sprintf("arg%d.%s", n/8, [...]string{"low", "high"}[n%8/4])
}

func (v verdict) String() string {
	data := uint32(v) & unix.SECCOMP_RET_DATA
	switch uint32(v) & unix.SECCOMP_RET_ACTION_FULL {
	case unix.SECCOMP_RET_ALLOW:
		return "allow"
	case unix.SECCOMP_RET_KILL_PROCESS:
		return "kill process"
	case unix.SECCOMP_RET_KILL_THREAD:
		return "kill thread"
	case unix.SECCOMP_RET_TRAP:
		return "trap"
	case unix.SECCOMP_RET_LOG:
		return "log"
	case unix.SECCOMP_RET_TRACE:
		return fmt.Sprintf("trace %d", data)
	case unix.SECCOMP_RET_ERRNO:
		return "errno " + unix.ErrnoName(syscall.Errno(data))
	}
	return fmt.Sprintf("%#x", uint32(v))
}
