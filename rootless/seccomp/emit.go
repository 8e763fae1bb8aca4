package seccomp

import (
	"maps"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data (linux/seccomp.h). Both architectures are little-endian: an argument's low word is first.
const (
	offNumber = 0
	offArch   = 4
	offArgs   = 16
)

var auditArch = map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}

const (
	opLoad = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	opAnd  = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
	opRet  = unix.BPF_RET | unix.BPF_K
	opJump = unix.BPF_JMP | unix.BPF_JA
	opEq   = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	opGt   = unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K
	opGe   = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
)

// A label is the place of an instruction, counted from the end of the program.
type label int

// asm builds a program from its end to its beginning: BPF jumps only forward, so a target is always known by the time
// something jumps to it.
type asm struct {
	rules *rules
	back  []unix.SockFilter // the last instruction first
	rets  map[verdict]label // the nearest return of each verdict
}

func (a *asm) put(code uint16, k uint32) label {
	a.back = append(a.back, unix.SockFilter{Code: code, K: k})
	return label(len(a.back) - 1)
}

// skip is the number of instructions between the next one to be put and l: what a jump instruction holds.
func (a *asm) skip(l label) int { return len(a.back) - int(l) - 1 }

// near brings l into the reach of the 8 bits of a conditional jump, which at most one other instruction will precede.
func (a *asm) near(l label) label {
	if a.skip(l)+1 <= 255 {
		return l
	}
	return a.put(opJump, uint32(a.skip(l)))
}

// branch compares the accumulator with k and goes on at yes or no.
func (a *asm) branch(op uint16, k uint32, yes, no label) label {
	yes = a.near(yes)
	no = a.near(no)
	jt, jf := a.skip(yes), a.skip(no)
	a.back = append(a.back, unix.SockFilter{Code: op, Jt: uint8(jt), Jf: uint8(jf), K: k})
	return label(len(a.back) - 1)
}

func (a *asm) ret(v verdict) label {
	l, ok := a.rets[v]
	if !ok || a.skip(l)+1 > 255 {
		l = a.put(opRet, uint32(v))
		a.rets[v] = l
	}
	return l
}

// before puts an instruction that is no jump, so that next follows it.
func (a *asm) before(next label, code uint16, k uint32) label {
	if a.skip(next) != 0 {
		a.put(opJump, uint32(a.skip(next)))
	}
	return a.put(code, k)
}

// holds tests one condition. Argument words are read high first: most arguments fail or pass there already.
func (a *asm) holds(c specs.LinuxSeccompArg, yes, no label) label {
	switch c.Op {
	case specs.OpEqualTo:
		return a.equal(c.Index, ^uint64(0), c.Value, yes, no)
	case specs.OpNotEqual:
		return a.equal(c.Index, ^uint64(0), c.Value, no, yes)
	case specs.OpMaskedEqual:
		return a.equal(c.Index, c.Value, c.ValueTwo, yes, no)
	case specs.OpGreaterThan:
		return a.above(opGt, c, yes, no)
	case specs.OpLessEqual:
		return a.above(opGt, c, no, yes)
	case specs.OpGreaterEqual:
		return a.above(opGe, c, yes, no)
	}
	return a.above(opGe, c, no, yes) // OpLessThan; alternatives let no other through
}

func (a *asm) equal(index uint, mask, want uint64, yes, no label) label {
	want &= mask
	for half := range uint(2) { // low, then high, which runs first
		m, w := uint32(mask>>(32*half)), uint32(want>>(32*half))
		if m == 0 {
			continue
		}
		yes = a.branch(opEq, w, yes, no)
		if m != ^uint32(0) {
			yes = a.before(yes, opAnd, m)
		}
		yes = a.before(yes, opLoad, offArgs+8*uint32(index)+4*uint32(half))
	}
	return yes
}

// above is argument > value or argument >= value: op is how the low words are compared when the high ones are equal.
func (a *asm) above(op uint16, c specs.LinuxSeccompArg, yes, no label) label {
	lo, hi := uint32(c.Value), uint32(c.Value>>32)
	at := offArgs + 8*uint32(c.Index)
	low := a.before(a.branch(op, lo, yes, no), opLoad, at)
	same := a.branch(opEq, hi, low, no)
	return a.before(a.branch(opGt, hi, yes, same), opLoad, at+4)
}

// try tests a call's alternatives in their order.
func (a *asm) try(alts []alternative) label {
	next := a.ret(a.rules.fallback)
	for _, alt := range slices.Backward(alts) {
		yes := a.ret(alt.verdict)
		for _, c := range slices.Backward(alt.conds) {
			yes = a.holds(c, yes, next)
		}
		next = yes
	}
	return next
}

// A span is a run of numbers with one fate: from its own first number to the next span's.
type span struct {
	from    uint32
	verdict verdict
	alts    []alternative // when not empty, decides instead of verdict
}

func (s span) plain(v verdict) bool { return len(s.alts) == 0 && s.verdict == v }

// spans cuts all numbers, from 0 to 2³²-1.
func spans(r *rules) []span {
	all := []span{{verdict: r.fallback}}
	add := func(s span) {
		if last := len(all) - 1; all[last].from == s.from {
			all = all[:last] // a span of no number
		}
		if n := len(all); n > 0 && len(s.alts) == 0 && all[n-1].plain(s.verdict) {
			return
		}
		all = append(all, s)
	}
	for _, nr := range slices.Sorted(maps.Keys(r.calls)) {
		alts := r.calls[nr]
		if len(alts[0].conds) == 0 {
			add(span{from: nr, verdict: alts[0].verdict})
		} else {
			add(span{from: nr, alts: alts})
		}
		add(span{from: nr + 1, verdict: r.fallback})
	}
	if r.stub {
		add(span{from: uint32(r.highest) + 1, verdict: enosys})
	}
	return all
}

// tree finds the span of the number in the accumulator by halving.
func (a *asm) tree(s []span) label {
	switch {
	case len(s) == 1 && len(s[0].alts) > 0:
		return a.try(s[0].alts)
	case len(s) == 1:
		return a.ret(s[0].verdict)
	case len(s) == 3 && s[2].from == s[1].from+1 && len(s[0].alts) == 0 && s[2].plain(s[0].verdict):
		one := a.tree(s[1:2])
		return a.branch(opEq, s[1].from, one, a.ret(s[0].verdict))
	}
	half := len(s) / 2
	high := a.tree(s[half:])
	low := a.tree(s[:half])
	return a.branch(opGe, s[half].from, high, low)
}

// emit writes the whole program: architecture, x32, and the tree over the numbers.
func emit(r *rules, arch string) Filter {
	a := &asm{rules: r, rets: map[verdict]label{}}
	first := a.tree(spans(r))
	// The stub covers x32 as well. Without it, -1 stays what a tracer sets to have a call skipped.
	if arch == "amd64" && !r.stub {
		x32 := a.branch(opGe, ^uint32(0), first, a.ret(enosys))
		first = a.branch(opGe, x32Bit, x32, first)
	}
	first = a.before(first, opLoad, offNumber)
	first = a.branch(opEq, auditArch[arch], first, a.put(opRet, unix.SECCOMP_RET_KILL_PROCESS))
	a.before(first, opLoad, offArch)
	slices.Reverse(a.back)
	return a.back
}
