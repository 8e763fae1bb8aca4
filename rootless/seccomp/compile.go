package seccomp

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// maxInstructions is BPF_MAXINSNS of linux/bpf_common.h.
const maxInstructions = 4096

// Bit 30 of a number marks the x32 ABI (asm/unistd.h, __X32_SYSCALL_BIT). No other call has a number this high.
const x32Bit = 0x40000000

// A verdict is what a filter returns: one of SECCOMP_RET_*, with data in the low 16 bits.
type verdict uint32

const enosys = verdict(unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS))

// An alternative is one rule for one system call: its verdict counts when all conditions hold. None always hold.
type alternative struct {
	verdict verdict
	conds   []specs.LinuxSeccompArg
}

// rules is a profile with names and actions resolved.
type rules struct {
	fallback verdict                  // for every call without an alternative that holds
	calls    map[uint32][]alternative // in the order of trial; after an unconditional one comes nothing
	highest  int                      // the highest number that the profile names; -1 when it names none
	stub     bool                     // calls above highest get ENOSYS
}

// ociArch gives the specification's name of a GOARCH; its keys are what Compile supports.
var ociArch = map[string]specs.Arch{"amd64": specs.ArchX86_64, "arm64": specs.ArchAARCH64}

// Compile gives the filter for a resolved profile on arch, a GOARCH ("amd64" or "arm64").
// Errors name the rule of the profile that cannot be honoured.
func Compile(p *specs.LinuxSeccomp, arch string) (Filter, error) {
	if _, ok := ociArch[arch]; !ok {
		return nil, fmt.Errorf("seccomp: no system call table for architecture %q", arch)
	}
	r, err := digest(p, arch)
	if err != nil {
		return nil, fmt.Errorf("seccomp profile: %w", err)
	}
	f := emit(r, arch)
	if len(f) > maxInstructions {
		return nil, fmt.Errorf("seccomp profile: needs %d instructions, the kernel takes %d; shorten the list of conditions", len(f), maxInstructions)
	}
	return f, nil
}

func digest(p *specs.LinuxSeccomp, arch string) (*rules, error) {
	for _, a := range p.Architectures {
		if !strings.HasPrefix(string(a), "SCMP_ARCH_") {
			return nil, fmt.Errorf("architecture %q: unknown; expected one such as SCMP_ARCH_X86_64", a)
		}
	}
	if p.ListenerPath != "" {
		return nil, fmt.Errorf("listenerPath: not supported, since SCMP_ACT_NOTIFY is not")
	}
	fallback, err := action(p.DefaultAction, p.DefaultErrnoRet)
	if err != nil {
		return nil, fmt.Errorf("defaultAction: %w", err)
	}
	r := &rules{fallback: fallback, calls: map[uint32][]alternative{}, highest: -1}
	for i, s := range p.Syscalls {
		if err := r.add(s, arch); err != nil {
			return nil, fmt.Errorf("syscalls[%d]: %w", i, err)
		}
	}
	switch p.DefaultAction {
	case specs.ActAllow, specs.ActLog, specs.ActTrace:
	default:
		r.stub = r.highest >= 0
	}
	return r, nil
}

// add puts one rule of the profile to each call it names.
func (r *rules) add(s specs.LinuxSyscall, arch string) error {
	v, err := action(s.Action, s.ErrnoRet)
	if err != nil {
		return err
	}
	if len(s.Names) == 0 {
		return fmt.Errorf("no names")
	}
	alts, err := alternatives(v, s.Args)
	if err != nil {
		return err
	}
	for _, name := range s.Names {
		if name == "" {
			return fmt.Errorf("an empty name")
		}
		nr, ok := number(arch, name)
		if !ok {
			continue
		}
		r.highest = max(r.highest, int(nr))
		if v != r.fallback {
			r.calls[nr] = merge(r.calls[nr], alts)
		}
	}
	return nil
}

// merge appends, but an unconditional alternative stands alone.
func merge(have, more []alternative) []alternative {
	for _, a := range more {
		switch {
		case len(have) > 0 && len(have[0].conds) == 0:
			return have
		case len(a.conds) == 0:
			have = []alternative{a}
		default:
			have = append(have, a)
		}
	}
	return have
}

// alternatives is one rule's conditions, split where two of them are on the same argument.
func alternatives(v verdict, args []specs.LinuxSeccompArg) ([]alternative, error) {
	var seen [6]bool
	split := false
	var conds []specs.LinuxSeccompArg
	for i, a := range args {
		if a.Index >= uint(len(seen)) {
			return nil, fmt.Errorf("args[%d]: index %d: a system call has arguments 0 to 5", i, a.Index)
		}
		if !slices.Contains(operators, a.Op) {
			return nil, fmt.Errorf("args[%d]: operator %q: unknown", i, a.Op)
		}
		split = split || seen[a.Index]
		seen[a.Index] = true
		conds = append(conds, a)
	}
	if !split {
		return []alternative{{v, slices.DeleteFunc(conds, always)}}, nil
	}
	var alts []alternative
	for _, c := range conds {
		alts = append(alts, alternative{v, slices.DeleteFunc([]specs.LinuxSeccompArg{c}, always)})
	}
	return alts, nil
}

// always: an empty mask hides the argument.
func always(c specs.LinuxSeccompArg) bool { return c.Op == specs.OpMaskedEqual && c.Value == 0 }

var operators = []specs.LinuxSeccompOperator{
	specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpEqualTo,
	specs.OpGreaterEqual, specs.OpGreaterThan, specs.OpMaskedEqual,
}

// action resolves an action and its data. EPERM is the data of ERRNO and TRACE where the profile has none.
func action(a specs.LinuxSeccompAction, errnoRet *uint) (verdict, error) {
	data := uint(unix.EPERM)
	if errnoRet != nil {
		data = *errnoRet
	}
	switch a {
	case specs.ActAllow:
		return unix.SECCOMP_RET_ALLOW, nil
	case specs.ActErrno:
		// The kernel's MAX_ERRNO. It would cut a higher value down to this, which nobody asked for.
		if data > 4095 {
			return 0, fmt.Errorf("errnoRet %d: the highest errno is 4095", data)
		}
		return verdict(unix.SECCOMP_RET_ERRNO | uint32(data)), nil
	case specs.ActTrace:
		if data > 0xffff {
			return 0, fmt.Errorf("errnoRet %d: a tracer gets 16 bits", data)
		}
		return verdict(unix.SECCOMP_RET_TRACE | uint32(data)), nil
	case specs.ActKill, specs.ActKillThread:
		return unix.SECCOMP_RET_KILL_THREAD, nil
	case specs.ActKillProcess:
		return unix.SECCOMP_RET_KILL_PROCESS, nil
	case specs.ActTrap:
		return unix.SECCOMP_RET_TRAP, nil
	case specs.ActLog:
		return unix.SECCOMP_RET_LOG, nil
	case specs.ActNotify:
		return 0, fmt.Errorf("action SCMP_ACT_NOTIFY: not supported; no process would answer")
	}
	return 0, fmt.Errorf("action %q: unknown", a)
}

// A Program is a filter as seccomp(2) takes it.
type Program struct {
	Filter []byte // an array of struct sock_filter, see Filter.Bytes; empty: none
	Flags  uint64 // SECCOMP_FILTER_FLAG_*
}

// Prepare compiles a profile for an architecture into what is loaded.
func Prepare(p *specs.LinuxSeccomp, arch string) (Program, error) {
	filter, err := Compile(p, arch)
	if err != nil {
		return Program{}, err
	}
	flags, err := Flags(p)
	if err != nil {
		return Program{}, err
	}
	return Program{filter.Bytes(), flags}, nil
}

// Flags are the SECCOMP_FILTER_FLAG_* that a profile asks for. Without a word in the profile, SPEC_ALLOW
// is set as runc does: before Linux 5.16 a filter without it slows the whole process down by mitigations.
func Flags(p *specs.LinuxSeccomp) (uint64, error) {
	if len(p.Flags) == 0 {
		return unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, nil
	}
	var flags uint64
	for _, f := range p.Flags {
		switch f {
		case specs.LinuxSeccompFlagLog:
			flags |= unix.SECCOMP_FILTER_FLAG_LOG
		case specs.LinuxSeccompFlagSpecAllow:
			flags |= unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
		case "SECCOMP_FILTER_FLAG_TSYNC": // a process about to execve has one thread
		default:
			return 0, fmt.Errorf("seccomp profile: flag %q: not supported", f)
		}
	}
	return flags, nil
}
