package seccomp

import (
	"fmt"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// data is struct seccomp_data without the instruction pointer.
type data struct {
	nr   uint32
	arch uint32
	args [6]uint64
}

func (d data) word(offset uint32) uint32 {
	switch {
	case offset == 0:
		return d.nr
	case offset == 4:
		return d.arch
	case offset >= 16 && offset < 64 && offset%4 == 0:
		return uint32(d.args[(offset-16)/8] >> (8 * (offset % 8)))
	}
	panic(fmt.Sprintf("load from %d", offset))
}

// run executes f as the kernel does. It panics where the kernel's checker would have refused the program.
func run(f Filter, d data) verdict {
	var acc uint32
	for pc := 0; pc < len(f); pc++ {
		i := f[pc]
		yes := false
		switch i.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			acc = d.word(i.K)
			continue
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			acc &= i.K
			continue
		case unix.BPF_RET | unix.BPF_K:
			return verdict(i.K)
		case unix.BPF_JMP | unix.BPF_JA:
			pc += int(i.K)
			continue
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			yes = acc == i.K
		case unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K:
			yes = acc > i.K
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			yes = acc >= i.K
		default:
			panic(fmt.Sprintf("code %#x", i.Code))
		}
		if yes {
			pc += int(i.Jt)
		} else {
			pc += int(i.Jf)
		}
	}
	panic("ran past the end")
}

// An oracle is the package comment again, by plain search through the profile: what Compile's filters must answer.
type oracle struct {
	profile *specs.LinuxSeccomp
	arch    string
	naming  map[uint32][]specs.LinuxSyscall // the rules that name a call, in order
	highest int
}

func newOracle(p *specs.LinuxSeccomp, arch string) *oracle {
	o := &oracle{p, arch, map[uint32][]specs.LinuxSyscall{}, -1}
	for _, s := range p.Syscalls {
		for _, n := range s.Names {
			if nr, ok := number(arch, n); ok {
				o.naming[nr] = append(o.naming[nr], s)
				o.highest = max(o.highest, int(nr))
			}
		}
	}
	return o
}

func (o *oracle) judge(d data) verdict {
	if d.arch != auditArch[o.arch] {
		return unix.SECCOMP_RET_KILL_PROCESS
	}
	switch o.profile.DefaultAction {
	case specs.ActAllow, specs.ActLog, specs.ActTrace:
	default:
		if o.highest >= 0 && d.nr > uint32(o.highest) {
			return enosys
		}
	}
	if o.arch == "amd64" && d.nr >= 0x40000000 && d.nr != 0xffffffff {
		return enosys
	}
	fallback, _ := action(o.profile.DefaultAction, o.profile.DefaultErrnoRet)
	conditional := fallback
	for _, s := range o.naming[d.nr] {
		v, _ := action(s.Action, s.ErrnoRet)
		if v == fallback {
			continue
		}
		always, match := fires(s.Args, d)
		if always {
			return v
		}
		if match && conditional == fallback {
			conditional = v
		}
	}
	return conditional
}

// fires tells whether a rule's conditions hold for d, and whether they hold for everything.
func fires(args []specs.LinuxSeccompArg, d data) (always, match bool) {
	counts := map[uint]int{}
	held, certain := 0, 0
	for _, a := range args {
		counts[a.Index]++
		if compare(d.args[a.Index], a) {
			held++
		}
		if a.Op == specs.OpMaskedEqual && a.Value == 0 {
			certain++
		}
	}
	for _, n := range counts {
		if n > 1 {
			return certain > 0, held > 0
		}
	}
	return certain == len(args), held == len(args)
}

func compare(x uint64, a specs.LinuxSeccompArg) bool {
	switch a.Op {
	case specs.OpEqualTo:
		return x == a.Value
	case specs.OpNotEqual:
		return x != a.Value
	case specs.OpLessThan:
		return x < a.Value
	case specs.OpLessEqual:
		return x <= a.Value
	case specs.OpGreaterThan:
		return x > a.Value
	case specs.OpGreaterEqual:
		return x >= a.Value
	}
	return x&a.Value == a.ValueTwo&a.Value
}

// check compares a filter with the oracle, for all numbers of interest and for arguments around the constants of each rule.
func check(t *testing.T, p *specs.LinuxSeccomp, arch string, f Filter) {
	t.Helper()
	o := newOracle(p, arch)
	for nr := -1; nr <= 600; nr++ {
		for _, args := range o.samples(uint32(nr)) {
			o.compare(t, f, data{uint32(nr), auditArch[arch], args})
		}
	}
	for _, nr := range []uint32{0x40000000, 0x40000001, 0x400001ff, 0x3fffffff, 0x7fffffff, 0x80000000, 0xfffffffe} {
		o.compare(t, f, data{nr: nr, arch: auditArch[arch]})
	}
	for _, foreign := range []uint32{0, unix.AUDIT_ARCH_I386, unix.AUDIT_ARCH_ARM, unix.AUDIT_ARCH_RISCV64} {
		o.compare(t, f, data{nr: 1, arch: foreign})
	}
}

func (o *oracle) compare(t *testing.T, f Filter, d data) {
	t.Helper()
	if got, want := run(f, d), o.judge(d); got != want {
		t.Fatalf("%s, call %d, args %#x, arch %#x: %v, want %v\n%v", o.arch, int32(d.nr), d.args, d.arch, got, want, f)
	}
}

// samples are argument lists for a call: each argument takes the values around its constants, once while the others
// are at theirs, once while they are zero.
func (o *oracle) samples(nr uint32) [][6]uint64 {
	lists := [][6]uint64{{}, {^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)}}
	for _, s := range o.naming[nr] {
		var base [6]uint64
		for _, a := range s.Args {
			base[a.Index] = a.Value
		}
		for _, a := range s.Args {
			for _, v := range around(a) {
				args, alone := base, [6]uint64{}
				args[a.Index], alone[a.Index] = v, v
				lists = append(lists, args, alone)
			}
		}
	}
	return lists
}

func around(a specs.LinuxSeccompArg) []uint64 {
	var all []uint64
	for _, v := range []uint64{a.Value, a.ValueTwo, a.Value & a.ValueTwo, a.Value | a.ValueTwo, ^a.Value} {
		all = append(all, v-1, v, v+1, ^v, v^1<<32, v+1<<32, v-1<<32, v<<32, v>>32, v&^(1<<32-1))
	}
	return all
}
