package seccomp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// libseccomp's own filters as the oracle: what runc makes of a profile, rule by rule.
// It needs a C compiler and libseccomp's headers, and is skipped without them.

var errRefused = errors.New("libseccomp refuses the profile")

// requireLibseccomp builds the helper of testdata/export.c and gives a function that compiles with it.
func requireLibseccomp(t *testing.T) func(*specs.LinuxSeccomp) (Filter, error) {
	t.Helper()
	if ociArch[runtime.GOARCH] == "" {
		t.Skipf("no table for %s", runtime.GOARCH)
	}
	helper := filepath.Join(t.TempDir(), "export")
	if out, err := exec.Command("cc", "-o", helper, "testdata/export.c", "-lseccomp").CombinedOutput(); err != nil {
		t.Skipf("needs a C compiler and libseccomp-dev: %v: %.200s", err, out)
	}
	compile := func(p *specs.LinuxSeccomp) (Filter, error) {
		cmd := exec.Command(helper)
		cmd.Stdin = strings.NewReader(asRuncWould(p))
		out, err := cmd.Output()
		if exit := new(exec.ExitError); errors.As(err, &exit) && exit.ExitCode() == 3 {
			return nil, errRefused
		}
		if err != nil {
			t.Fatal(err)
		}
		f := make(Filter, len(out)/8)
		return f, binary.Read(bytes.NewReader(out), binary.LittleEndian, f)
	}
	f, err := compile(&specs.LinuxSeccomp{DefaultAction: specs.ActErrno})
	if err != nil {
		t.Fatal(err)
	}
	// So it is when the test runs under an emulator.
	if !slices.ContainsFunc(f, func(i unix.SockFilter) bool { return i.K == auditArch[runtime.GOARCH] }) {
		t.Skip("the C compiler is for another architecture")
	}
	return compile
}

// asRuncWould gives the calls of libseccomp that runc makes for a profile.
func asRuncWould(p *specs.LinuxSeccomp) string {
	var b strings.Builder
	fallback, _ := action(p.DefaultAction, p.DefaultErrnoRet)
	fmt.Fprintln(&b, uint32(fallback))
	for _, s := range p.Syscalls {
		v, _ := action(s.Action, s.ErrnoRet)
		for _, name := range s.Names {
			nr, ok := number(runtime.GOARCH, name)
			if !ok || v == fallback {
				continue
			}
			rules := [][]specs.LinuxSeccompArg{s.Args}
			if twice(s.Args) {
				rules = slices.Collect(slices.Chunk(s.Args, 1))
			}
			for _, args := range rules {
				fmt.Fprintln(&b, uint32(v), nr, len(args))
				for _, a := range args {
					// enum scmp_compare starts at 1, in the order of operators.
					fmt.Fprintln(&b, a.Index, 1+slices.Index(operators, a.Op), a.Value, a.ValueTwo)
				}
			}
		}
	}
	return b.String()
}

func twice(args []specs.LinuxSeccompArg) bool {
	seen := map[uint]bool{}
	for _, a := range args {
		if seen[a.Index] {
			return true
		}
		seen[a.Index] = true
	}
	return false
}

// differ runs both filters over all numbers that the profile's stub does not cover.
func differ(p *specs.LinuxSeccomp, ours, theirs Filter) error {
	o := newOracle(p, runtime.GOARCH)
	for nr := range uint32(o.highest + 1) {
		for _, args := range o.samples(nr) {
			d := data{nr, auditArch[runtime.GOARCH], args}
			if got, want := run(ours, d), run(theirs, d); got != want {
				return fmt.Errorf("call %d, args %#x: %v, libseccomp says %v", nr, args, got, want)
			}
		}
	}
	return nil
}

func TestDefaultAgainstLibseccomp(t *testing.T) {
	compile := requireLibseccomp(t)
	for _, caps := range [][]string{nil, usualCaps, {"CAP_SYS_ADMIN", "CAP_SYS_TIME"}} {
		p := mustDefault(t, runtime.GOARCH, caps)
		theirs, err := compile(p)
		if err != nil {
			t.Fatal(err)
		}
		ours := mustCompile(t, p, runtime.GOARCH)
		if err := differ(p, ours, theirs); err != nil {
			t.Errorf("capabilities %v: %v", caps, err)
		}
		t.Logf("instructions: %d, libseccomp %d", len(ours), len(theirs))
	}
}

// One condition each, over every operator and many constants: comparisons mean the same.
func TestConditionsAgainstLibseccomp(t *testing.T) {
	compile := requireLibseccomp(t)
	constants := []uint64{0, 1, 0xffffffff, 1 << 32, 1<<32 | 7, 1<<63 | 5, ^uint64(0)}
	for _, op := range operators {
		p := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno}
		for i, v := range constants {
			for j, two := range constants {
				p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{
					Names: []string{tables[runtime.GOARCH][i*len(constants)+j].name}, Action: specs.ActAllow,
					Args: []specs.LinuxSeccompArg{{Index: uint(j % 6), Value: v, ValueTwo: two, Op: op}},
				})
			}
		}
		theirs, err := compile(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := differ(p, mustCompile(t, p, runtime.GOARCH), theirs); err != nil {
			t.Errorf("%s: %v", op, err)
		}
	}
}

// randomSafeProfile keeps to what libseccomp 2.5 gets right (see the package comment): a call has any number of rules
// that compare for equality, or one rule that compares in any way.
func randomSafeProfile(r *rand.Rand, arch string) *specs.LinuxSeccomp {
	p := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno}
	for i := range 12 {
		name, ops, count := tables[arch][i*7].name, operators, 1
		if r.IntN(3) > 0 {
			ops, count = []specs.LinuxSeccompOperator{specs.OpEqualTo, specs.OpMaskedEqual}, 1+r.IntN(6)
		}
		for range count {
			rule := specs.LinuxSyscall{Names: []string{name}, Action: specs.ActAllow}
			for _, index := range r.Perm(6)[:r.IntN(4)] {
				rule.Args = append(rule.Args, randomCondition(r, uint(index), ops))
			}
			p.Syscalls = append(p.Syscalls, rule)
		}
	}
	return p
}

func TestRandomAgainstLibseccomp(t *testing.T) {
	compile := requireLibseccomp(t)
	for seed := range uint64(200) {
		p := randomSafeProfile(rand.New(rand.NewPCG(seed, 2)), runtime.GOARCH)
		theirs, err := compile(p)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err := differ(p, mustCompile(t, p, runtime.GOARCH), theirs); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}
