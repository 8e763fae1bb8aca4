package seccomp

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// pretended are the system calls that need ids other than the one there is.
var pretended = []string{
	"chown", "fchown", "fchownat", "lchown",
	"setfsgid", "setfsuid", "setgid", "setgroups", "setregid", "setresgid", "setresuid", "setreuid", "setuid",
}

// nodes are the system calls that make device files among others, with the place of the argument that says which.
var nodes = map[string]uint{"mknod": 1, "mknodat": 2}

// Pretend returns the profile for a container with a single id: changing ids or owners, and making device files, does nothing and
// succeeds. Programs that take such a step and go on, as most do, then work; whoever looks sees that nothing has changed.
// nil is the profile that allows everything.
//
// It is an idea of Charliecloud's: seccomp_unotify(2) or ptrace(2) could remember what was asked for, at the price of a process that
// answers each call.
func Pretend(p *specs.LinuxSeccomp) *specs.LinuxSeccomp {
	out := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}
	if p != nil {
		copied := *p
		out = &copied
	}
	var rows []specs.LinuxSyscall
	for _, row := range out.Syscalls {
		row.Names = slices.DeleteFunc(slices.Clone(row.Names), func(name string) bool {
			return slices.Contains(pretended, name) || nodes[name] != 0
		})
		if len(row.Names) > 0 {
			rows = append(rows, row)
		}
	}
	success := uint(0)
	rows = append(rows, specs.LinuxSyscall{Names: pretended, Action: specs.ActErrno, ErrnoRet: &success})
	for _, name := range []string{"mknod", "mknodat"} {
		for _, kind := range []uint64{unix.S_IFREG, unix.S_IFIFO, unix.S_IFSOCK, 0} { // 0 is a regular file, see mknod(2)
			rows = append(rows, specs.LinuxSyscall{Names: []string{name}, Action: specs.ActAllow, Args: ofKind(nodes[name], kind)})
		}
		for _, kind := range []uint64{unix.S_IFCHR, unix.S_IFBLK} {
			rows = append(rows, specs.LinuxSyscall{Names: []string{name}, Action: specs.ActErrno, ErrnoRet: &success, Args: ofKind(nodes[name], kind)})
		}
	}
	out.Syscalls = rows
	return out
}

// ofKind holds for a mode of that type of file.
func ofKind(argument uint, kind uint64) []specs.LinuxSeccompArg {
	return []specs.LinuxSeccompArg{{Index: argument, Value: unix.S_IFMT, ValueTwo: kind, Op: specs.OpMaskedEqual}}
}
