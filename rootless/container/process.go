package container

import (
	"encoding/binary"
	"fmt"
	"path"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/plan"
)

// process appends all that is left once the process is in its namespaces and its root: working directory, limits,
// identity, privileges, execve. It is the same for a container and for a command executed in one.
func (b *builder) process(p *specs.Process, root any) error {
	if len(p.Args) == 0 {
		return fmt.Errorf("no command")
	}
	b.enter(p.Cwd, root)
	if err := b.limits(p.Rlimits); err != nil {
		return err
	}
	umask := 0o022
	if p.User.Umask != nil {
		umask = int(*p.User.Umask)
	}
	b.Call("", unix.SYS_UMASK, umask)
	b.CloseOnExec() // a filter that is loaded with the privileges may not know the call
	if err := b.privileges(p); err != nil {
		return err
	}
	b.Execvp(candidates(p.Args[0], p.Env), p.Args, p.Env)
	return nil
}

// enter changes to the working directory, which is made if it is missing, and checks that it is inside the root:
// for one that is not, getcwd(2) returns a path that does not begin with a slash.
func (b *builder) enter(cwd string, root any) {
	what := "change to the working directory " + cwd
	fd := b.folder(what, root, relative(cwd))
	b.Call(what, unix.SYS_FCHDIR, fd)
	const size = 4096
	room := b.Room("cwd", size)
	b.Call(what, unix.SYS_GETCWD, room, size)
	b.Check(what+": it is inside the container", room, firstByteMask(), firstByte('/'), int(unix.EXDEV))
}

// firstByte is a word in memory whose first byte is c, and firstByteMask selects that byte.
func firstByte(c byte) uint64 { return binary.NativeEndian.Uint64([]byte{c, 0, 0, 0, 0, 0, 0, 0}) }
func firstByteMask() uint64   { return firstByte(0xff) }

var rlimits = map[string]int{
	"RLIMIT_AS": unix.RLIMIT_AS, "RLIMIT_CORE": unix.RLIMIT_CORE, "RLIMIT_CPU": unix.RLIMIT_CPU, "RLIMIT_DATA": unix.RLIMIT_DATA,
	"RLIMIT_FSIZE": unix.RLIMIT_FSIZE, "RLIMIT_LOCKS": unix.RLIMIT_LOCKS, "RLIMIT_MEMLOCK": unix.RLIMIT_MEMLOCK,
	"RLIMIT_MSGQUEUE": unix.RLIMIT_MSGQUEUE, "RLIMIT_NICE": unix.RLIMIT_NICE, "RLIMIT_NOFILE": unix.RLIMIT_NOFILE,
	"RLIMIT_NPROC": unix.RLIMIT_NPROC, "RLIMIT_RSS": unix.RLIMIT_RSS, "RLIMIT_RTPRIO": unix.RLIMIT_RTPRIO,
	"RLIMIT_RTTIME": unix.RLIMIT_RTTIME, "RLIMIT_SIGPENDING": unix.RLIMIT_SIGPENDING, "RLIMIT_STACK": unix.RLIMIT_STACK,
}

func (b *builder) limits(limits []specs.POSIXRlimit) error {
	for _, l := range limits {
		resource, ok := rlimits[l.Type]
		if !ok {
			return fmt.Errorf("unknown resource limit %q", l.Type)
		}
		value := plan.Described{Bytes: append(word(l.Soft), word(l.Hard)...), Text: fmt.Sprintf("{%d, %d}", l.Soft, l.Hard)}
		b.Call("set "+l.Type, unix.SYS_PRLIMIT64, 0, resource, value, nil)
	}
	return nil
}

func word(v uint64) []byte { return binary.NativeEndian.AppendUint64(nil, v) }

// privileges appends the way from all capabilities to those of the process, in an order in which each step still is allowed.
func (b *builder) privileges(p *specs.Process) error {
	granted := p.Capabilities
	if granted == nil {
		granted = &specs.LinuxCapabilities{}
	}
	bounding, err := capabilitySet(granted.Bounding)
	if err != nil {
		return err
	}
	for c := 0; c <= b.options.LastCapability; c++ {
		if bounding&(1<<c) == 0 {
			b.prctl("drop a capability from the bounding set", plan.Flags{Value: unix.PR_CAPBSET_DROP, Name: "PR_CAPBSET_DROP"}, c, 0)
		}
	}
	b.identityGroups(p.User)
	if !p.NoNewPrivileges {
		b.seccomp()
	}
	b.prctl("keep capabilities", plan.Flags{Value: unix.PR_SET_KEEPCAPS, Name: "PR_SET_KEEPCAPS"}, 1, 0)
	b.Call(fmt.Sprintf("become user %d", p.User.UID), unix.SYS_SETRESUID, int(p.User.UID), int(p.User.UID), int(p.User.UID))
	if err := b.capabilities(granted); err != nil {
		return err
	}
	if p.NoNewPrivileges {
		b.prctl("set no_new_privs", plan.Flags{Value: unix.PR_SET_NO_NEW_PRIVS, Name: "PR_SET_NO_NEW_PRIVS"}, 1, 0)
		b.seccomp()
	}
	return nil
}

func (b *builder) seccomp() {
	if p := b.options.Seccomp; len(p.Filter) > 0 {
		b.Seccomp(p.Filter, p.Flags)
	}
}

func (b *builder) identityGroups(u specs.User) {
	if !b.options.Single {
		b.groups(u)
	}
	b.Call(fmt.Sprintf("become group %d", u.GID), unix.SYS_SETRESGID, int(u.GID), int(u.GID), int(u.GID))
}

func (b *builder) groups(u specs.User) {
	groups := make([]byte, 0, 4*len(u.AdditionalGids))
	for _, g := range u.AdditionalGids {
		groups = binary.NativeEndian.AppendUint32(groups, g)
	}
	list := plan.Described{Bytes: groups, Text: fmt.Sprint(u.AdditionalGids)}
	b.Call("set the supplementary groups", unix.SYS_SETGROUPS, len(u.AdditionalGids), list)
}

// capabilities appends capset(2) and the ambient set.
func (b *builder) capabilities(granted *specs.LinuxCapabilities) error {
	var sets [4]uint64
	for i, names := range [][]string{granted.Effective, granted.Permitted, granted.Inheritable, granted.Ambient} {
		set, err := capabilitySet(names)
		if err != nil {
			return err
		}
		sets[i] = set
	}
	e := binary.NativeEndian
	header := e.AppendUint32(e.AppendUint32(nil, unix.LINUX_CAPABILITY_VERSION_3), 0)
	var data []byte
	for _, shift := range []int{0, 32} {
		for _, set := range sets[:3] {
			data = e.AppendUint32(data, uint32(set>>shift))
		}
	}
	b.Call("set the capabilities", unix.SYS_CAPSET, plan.Described{Bytes: header, Text: "{v3}"},
		plan.Described{Bytes: data, Text: fmt.Sprintf("{effective %#x, permitted %#x, inheritable %#x}", sets[0], sets[1], sets[2])})
	ambient := plan.Flags{Value: unix.PR_CAP_AMBIENT, Name: "PR_CAP_AMBIENT"}
	b.prctl("clear the ambient set", ambient, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0)
	for c := range capabilityNames {
		if sets[3]&(1<<c) != 0 {
			b.prctl("raise "+capabilityNames[c]+" in the ambient set", ambient, unix.PR_CAP_AMBIENT_RAISE, c)
		}
	}
	return nil
}

// prctl appends a prctl(2), whose unused arguments must be zero.
func (b *builder) prctl(what string, option plan.Flags, a, c int) {
	b.Call(what, unix.SYS_PRCTL, option, a, c, 0, 0)
}

// candidates are the paths at which a program may be, in order: the folders of PATH, or the one path if it has a slash.
func candidates(program string, env []string) []string {
	if strings.Contains(program, "/") {
		return []string{program}
	}
	search := defaultPath
	for _, e := range env {
		if value, ok := strings.CutPrefix(e, "PATH="); ok {
			search = value
		}
	}
	var paths []string
	for _, folder := range strings.Split(search, ":") {
		if folder == "" {
			folder = "."
		}
		paths = append(paths, path.Join(folder, program))
	}
	return paths
}
