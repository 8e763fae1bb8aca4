package plan

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Fork appends a clone(2) with the given flags whose child, a sibling of this process, carries on with the Plan, while this
// process reports the child's pid and ends. With CLONE_VM among the flags they share their memory, which spares the kernel a copy of it: the
// parent then uses nothing that the child may change. A child that is to make a user namespace must have its own (unshare(2), CLONE_VM).
func (p *Plan) Fork(what string, flags uintptr) {
	pid := p.Room("pid", 8)
	child := p.Call(what, unix.SYS_CLONE,
		Flags{uint64(flags | unix.CLONE_PARENT | unix.CLONE_PARENT_SETTID | uintptr(unix.SIGCHLD)), namespaceFlags.String(uint64(flags)) + "|CLONE_PARENT|CLONE_PARENT_SETTID|SIGCHLD"},
		nil, pid, nil, nil)
	p.WhenPositive(child, func() {
		p.Call("", unix.SYS_WRITE, ReportFD, pid, 8)
		p.Call("", unix.SYS_EXIT_GROUP, 0)
	})
}

// CloseOnExec appends what makes every descriptor but stdio close-on-exec: what a workload inherits is what it was given,
// and no descriptor of a folder outside its root (CVE-2024-21626).
func (p *Plan) CloseOnExec() {
	p.Call("", unix.SYS_CLOSE_RANGE, 3, Flags{0xffffffff, "~0"}, Flags{unix.CLOSE_RANGE_CLOEXEC, "CLOSE_RANGE_CLOEXEC"})
}

// Keep appends what makes a descriptor outlive execve.
func (p *Plan) Keep(fd int) {
	p.Call("", unix.SYS_FCNTL, fd, Flags{unix.F_SETFD, "F_SETFD"}, 0)
}

// Execvp appends an execve(2) of each path in turn until one is there and may be executed, as execvp(3) does with the folders
// of PATH.
func (p *Plan) Execvp(paths []string, argv, envp Vector) {
	for i, path := range paths {
		r := p.Call("exec "+argv[0], unix.SYS_EXECVE, path, argv, envp)
		if i < len(paths)-1 {
			p.ops[r].onError = goOnIfMissing
		}
	}
}

// pauseFile is the name under which a Plan inherits the pause program.
const pauseFile = "pause"

// ExecPause appends the execve of pause. The Plan inherits the program as "pause".
func (p *Plan) ExecPause() {
	p.Call("execute pause", unix.SYS_EXECVEAT, p.Inherit(pauseFile), "", Vector{"pause"}, Vector{}, Flags{unix.AT_EMPTY_PATH, "AT_EMPTY_PATH"})
}

// Tell appends a write of a result, eight bytes in the machine's order, to a descriptor.
func (p *Plan) Tell(fd FD, r Ref) {
	p.Call("", unix.SYS_WRITE, fd, resultOf(r), 8)
}

// Seccomp appends the loading of a filter, an array of struct sock_filter, with the flags SECCOMP_FILTER_FLAG_* (seccomp(2)).
func (p *Plan) Seccomp(filter []byte, flags uint64) {
	const instruction = 8 // size of a struct sock_filter
	program := binary.NativeEndian.AppendUint16(nil, uint16(len(filter)/instruction))
	program = append(program, make([]byte, 6)...) // the pointer is aligned to 8
	program = binary.NativeEndian.AppendUint64(program, p.add(filter))
	p.Call("load the seccomp filter", unix.SYS_SECCOMP, Flags{unix.SECCOMP_SET_MODE_FILTER, "SECCOMP_SET_MODE_FILTER"}, Flags{flags, filterFlags.String(flags)},
		Described{program, fmt.Sprintf("{%d instructions}", len(filter)/instruction)})
}

// OpenHow returns the struct open_how of openat2(2), as an argument for Call.
func OpenHow(flags int, mode uint32, resolve uint64) any {
	return openHow{uint64(flags), uint64(mode), resolve}
}

type openHow struct{ flags, mode, resolve uint64 }

func (h openHow) bytes() []byte { return words(h.flags, h.mode, h.resolve) }

func (h openHow) String() string {
	return fmt.Sprintf("{%s, %#o, %s}", openFlags.String(h.flags), h.mode, resolveFlags.String(h.resolve))
}

// MountAttr returns the struct mount_attr of mount_setattr(2) that sets and clears attributes and sets the propagation (0: leaves it), as
// an argument for Call.
func MountAttr(set, clr, propagation uint64) any { return mountAttr{set, clr, propagation} }

type mountAttr struct{ set, clr, propagation uint64 }

func (m mountAttr) bytes() []byte { return words(m.set, m.clr, m.propagation, 0) }

func (m mountAttr) String() string {
	if m.propagation != 0 {
		return fmt.Sprintf("{set %s, clear %s, propagation %#x}", mountFlags.String(m.set), mountFlags.String(m.clr), m.propagation)
	}
	return fmt.Sprintf("{set %s, clear %s}", mountFlags.String(m.set), mountFlags.String(m.clr))
}

// words are 64-bit numbers in the machine's order.
func words(values ...uint64) []byte {
	var b []byte
	for _, v := range values {
		b = binary.NativeEndian.AppendUint64(b, v)
	}
	return b
}
