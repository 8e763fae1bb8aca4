package seccomp

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "rewrite golden files")

var newest = Version{6, 18}

// What Kubernetes grants when a Pod says nothing about capabilities.
var usualCaps = strings.Fields(`CAP_AUDIT_WRITE CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_MKNOD
	CAP_NET_BIND_SERVICE CAP_NET_RAW CAP_SETFCAP CAP_SETGID CAP_SETPCAP CAP_SETUID CAP_SYS_CHROOT`)

func mustDefault(t testing.TB, arch string, caps []string) *specs.LinuxSeccomp {
	t.Helper()
	p, err := Default(arch, caps, newest)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustCompile(t testing.TB, p *specs.LinuxSeccomp, arch string) Filter {
	t.Helper()
	f, err := Compile(p, arch)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestDefaultVerdicts(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		for name, caps := range map[string][]string{
			"none": nil, "usual": usualCaps, "admin": append([]string{"CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_BPF"}, usualCaps...),
		} {
			t.Run(arch+"/"+name, func(t *testing.T) {
				p := mustDefault(t, arch, caps)
				check(t, p, arch, mustCompile(t, p, arch))
			})
		}
	}
}

// The filter of an ordinary container, as a listing to read.
func TestDefaultGolden(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		f := mustCompile(t, mustDefault(t, arch, usualCaps), arch)
		if len(f) > 160 {
			t.Errorf("%s: %d instructions; sharing has broken", arch, len(f))
		}
		path := filepath.Join("testdata", "default-"+arch+".txt")
		if *update {
			if err := os.WriteFile(path, []byte(f.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if f.String() != string(want) {
			t.Errorf("%s differs from %s; if the change is meant, run with -update. Got:\n%v", arch, path, f)
		}
	}
}

// Facts that a reader of the profile expects, spelled out.
func TestDefaultFacts(t *testing.T) {
	admin := append([]string{"CAP_SYS_ADMIN"}, usualCaps...)
	eperm := verdict(unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM))
	const allow = verdict(unix.SECCOMP_RET_ALLOW)
	for _, c := range []struct {
		call string
		arg0 uint64
		caps []string
		want verdict
	}{
		{"write", 1, nil, allow},
		{"mount", 0, usualCaps, eperm},
		{"mount", 0, admin, allow},
		{"clone3", 0, usualCaps, enosys},
		{"clone3", 0, admin, allow},
		{"clone", unix.CLONE_NEWUSER, usualCaps, eperm},
		{"clone", unix.CLONE_VM | unix.CLONE_THREAD, usualCaps, allow},
		{"personality", 0, nil, allow},
		{"personality", 0xffffffff, nil, allow},
		{"personality", 1<<32 | 0xffffffff, nil, eperm},
		{"socket", unix.AF_INET, nil, allow},
		{"socket", unix.AF_VSOCK, nil, eperm},
		{"socket", unix.AF_ALG, nil, eperm},
		{"add_key", 0, admin, eperm},
		{"chroot", 0, nil, eperm},
		{"chroot", 0, usualCaps, allow},
		{"file_getattr", 0, admin, enosys}, // newer than the profile
	} {
		for _, arch := range []string{"amd64", "arm64"} {
			nr, ok := number(arch, c.call)
			if !ok {
				t.Fatalf("%s: no number for %s", arch, c.call)
			}
			f := mustCompile(t, mustDefault(t, arch, c.caps), arch)
			if got := run(f, data{nr, auditArch[arch], [6]uint64{c.arg0}}); got != c.want {
				t.Errorf("%s: %s(%#x) with %d capabilities: %v, want %v", arch, c.call, c.arg0, len(c.caps), got, c.want)
			}
		}
	}
}

func TestResolve(t *testing.T) {
	const profile = `{"defaultAction":"SCMP_ACT_ERRNO","archMap":[{"architecture":"SCMP_ARCH_AARCH64","subArchitectures":["SCMP_ARCH_ARM"]}],
		"syscalls":[
		{"names":["read"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["amd64"]}},
		{"names":["write"],"action":"SCMP_ACT_ALLOW","excludes":{"arches":["amd64"]}},
		{"names":["open"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_A","CAP_B"]}},
		{"names":["close"],"action":"SCMP_ACT_ALLOW","excludes":{"caps":["CAP_A","CAP_B"]}},
		{"names":["stat"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"5.10"}},
		{"name":"lstat","action":"SCMP_ACT_ALLOW","excludes":{"minKernel":"5.10"}}]}`
	for _, c := range []struct {
		arch, caps string
		kernel     Version
		want       string
	}{
		{"amd64", "", Version{5, 10}, "[read close stat]"},
		{"amd64", "CAP_A", Version{5, 9}, "[read lstat]"},
		{"arm64", "CAP_A CAP_B", Version{6, 0}, "[write open stat]"},
	} {
		p, err := Load([]byte(profile), c.arch, strings.Fields(c.caps), c.kernel)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, s := range p.Syscalls {
			names = append(names, s.Names...)
		}
		if fmt.Sprint(names) != c.want {
			t.Errorf("%s, caps %q, %v: %v, want %s", c.arch, c.caps, c.kernel, names, c.want)
		}
		if got := slices.Contains(p.Architectures, specs.ArchARM); got != (c.arch == "arm64") {
			t.Errorf("%s: architectures %v", c.arch, p.Architectures)
		}
	}
}

func TestErrors(t *testing.T) {
	for profile, want := range map[string]string{
		`{"syscalls":[]}`:                     "no defaultAction",
		`{`:                                   "decode seccomp profile",
		`{"defaultAction":"SCMP_ACT_NOTIFY"}`: "defaultAction: action SCMP_ACT_NOTIFY: not supported",
		`{"defaultAction":"SCMP_ACT_NO"}`:     `defaultAction: action "SCMP_ACT_NO": unknown`,
		`{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":5000}`:                                                                           "errnoRet 5000",
		`{"defaultAction":"SCMP_ACT_TRACE","defaultErrnoRet":70000}`:                                                                          "errnoRet 70000",
		`{"defaultAction":"SCMP_ACT_ALLOW","architectures":["x86"]}`:                                                                          `architecture "x86"`,
		`{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/x"}`:                                                                              "listenerPath",
		`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[null]}`:                                                                                "syscalls[0]: is null",
		`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"action":"SCMP_ACT_KILL"}]}`:                                                          "syscalls[0]: no names",
		`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":[""],"action":"SCMP_ACT_KILL"}]}`:                                             "an empty name",
		`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","names":["a"]}]}`:                                                          "both name and names",
		`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"x"}]}`:                                                     `action "x"`,
		`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_KILL","args":[{"index":6,"op":"SCMP_CMP_EQ"}]}]}`: "args[0]: index 6",
		`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_KILL","args":[{"index":5,"op":"EQ"}]}]}`:          `args[0]: operator "EQ"`,
	} {
		p, err := Load([]byte(profile), "amd64", nil, newest)
		if err == nil {
			_, err = Compile(p, "amd64")
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", profile, err, want)
		}
	}
	if _, err := Compile(&specs.LinuxSeccomp{DefaultAction: specs.ActAllow}, "mips"); err == nil {
		t.Error("mips compiled")
	}
}

// The meaning of rules that meet: by hand, one call each.
func TestRuleMeetings(t *testing.T) {
	arg := func(i uint, v uint64, op specs.LinuxSeccompOperator) specs.LinuxSeccompArg {
		return specs.LinuxSeccompArg{Index: i, Value: v, Op: op}
	}
	rule := func(a specs.LinuxSeccompAction, args ...specs.LinuxSeccompArg) specs.LinuxSyscall {
		return specs.LinuxSyscall{Names: []string{"read"}, Action: a, Args: args}
	}
	const allow, errno, kill = specs.ActAllow, specs.ActErrno, specs.ActKill
	for name, c := range map[string]struct {
		rules []specs.LinuxSyscall
		args  [6]uint64
		want  verdict
	}{
		"and within a rule": {[]specs.LinuxSyscall{rule(kill, arg(0, 1, specs.OpEqualTo), arg(1, 2, specs.OpEqualTo))}, [6]uint64{1, 3}, unix.SECCOMP_RET_ALLOW},
		"or between rules":  {[]specs.LinuxSyscall{rule(kill, arg(0, 1, specs.OpEqualTo)), rule(kill, arg(1, 3, specs.OpEqualTo))}, [6]uint64{2, 3}, unix.SECCOMP_RET_KILL_THREAD},
		"same argument twice is or": {[]specs.LinuxSyscall{rule(kill, arg(0, 1, specs.OpNotEqual), arg(0, 2, specs.OpNotEqual))},
			[6]uint64{1}, unix.SECCOMP_RET_KILL_THREAD},
		"unconditional wins though later": {[]specs.LinuxSyscall{rule(kill, arg(0, 1, specs.OpEqualTo)), rule(specs.ActTrap)}, [6]uint64{1}, unix.SECCOMP_RET_TRAP},
		"first unconditional wins":        {[]specs.LinuxSyscall{rule(specs.ActTrap), rule(kill)}, [6]uint64{}, unix.SECCOMP_RET_TRAP},
		"the default action is no rule":   {[]specs.LinuxSyscall{rule(allow), rule(kill)}, [6]uint64{}, unix.SECCOMP_RET_KILL_THREAD},
		"first conditional wins": {[]specs.LinuxSyscall{rule(errno, arg(0, 5, specs.OpGreaterThan)), rule(kill, arg(0, 9, specs.OpEqualTo))},
			[6]uint64{9}, verdict(unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM))},
		"an empty mask is no condition": {[]specs.LinuxSyscall{rule(kill, arg(0, 1, specs.OpEqualTo)), rule(specs.ActTrap, arg(0, 0, specs.OpMaskedEqual))},
			[6]uint64{1}, unix.SECCOMP_RET_TRAP},
	} {
		t.Run(name, func(t *testing.T) {
			p := &specs.LinuxSeccomp{DefaultAction: allow, Syscalls: c.rules}
			nr, _ := number("amd64", "read")
			f := mustCompile(t, p, "amd64")
			if got := run(f, data{nr, auditArch["amd64"], c.args}); got != c.want {
				t.Errorf("%v, want %v\n%v", got, c.want, f)
			}
		})
	}
}

// randomProfile has few calls and few constants, so that rules meet often.
func randomProfile(r *rand.Rand, arch string, actions []specs.LinuxSeccompAction) *specs.LinuxSeccomp {
	p := &specs.LinuxSeccomp{DefaultAction: actions[r.IntN(len(actions))]}
	for range 1 + r.IntN(40) {
		rule := specs.LinuxSyscall{Action: actions[r.IntN(len(actions))]}
		for range 1 + r.IntN(3) {
			rule.Names = append(rule.Names, tables[arch][r.IntN(12)*7].name)
		}
		for range r.IntN(4) {
			rule.Args = append(rule.Args, randomCondition(r, uint(r.IntN(6)), operators))
		}
		p.Syscalls = append(p.Syscalls, rule)
	}
	return p
}

func randomCondition(r *rand.Rand, index uint, ops []specs.LinuxSeccompOperator) specs.LinuxSeccompArg {
	constants := []uint64{0, 1, 2, 0xff, 0xffffffff, 1 << 32, 1<<32 | 1, ^uint64(0), 1<<63 | 5}
	pick := func() uint64 { return constants[r.IntN(len(constants))] }
	return specs.LinuxSeccompArg{Index: index, Value: pick(), ValueTwo: pick(), Op: ops[r.IntN(len(ops))]}
}

func TestRandomProfiles(t *testing.T) {
	actions := []specs.LinuxSeccompAction{specs.ActAllow, specs.ActKill, specs.ActTrap, specs.ActErrno, specs.ActLog}
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		arch := []string{"amd64", "arm64"}[seed%2]
		p := randomProfile(r, arch, actions)
		check(t, p, arch, mustCompile(t, p, arch))
	}
}

// A program longer than 255 instructions needs jumps that conditional instructions cannot make alone.
func TestFarJumps(t *testing.T) {
	p := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno}
	for i, c := range amd64Calls {
		if i%3 == 0 {
			p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{Names: []string{c.name}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{
				{Index: 1, Value: uint64(i) << 31, Op: specs.OpGreaterEqual}, {Index: 2, Value: 7, ValueTwo: 3, Op: specs.OpMaskedEqual},
			}})
		}
	}
	f := mustCompile(t, p, "amd64")
	if len(f) < 512 {
		t.Fatalf("%d instructions: too few to test anything", len(f))
	}
	check(t, p, "amd64", f)

	long := p.Syscalls[0]
	for i := range uint64(2000) {
		p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{Names: long.Names, Action: specs.ActAllow,
			Args: []specs.LinuxSeccompArg{{Index: 0, Value: i, Op: specs.OpEqualTo}}})
	}
	if _, err := Compile(p, "amd64"); err == nil || !strings.Contains(err.Error(), "the kernel takes 4096") {
		t.Errorf("oversized profile: %v", err)
	}
}

func TestFlags(t *testing.T) {
	for _, c := range []struct {
		flags []specs.LinuxSeccompFlag
		want  uint64
	}{
		{nil, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW},
		{[]specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_TSYNC"}, 0},
		{[]specs.LinuxSeccompFlag{specs.LinuxSeccompFlagLog, specs.LinuxSeccompFlagSpecAllow}, unix.SECCOMP_FILTER_FLAG_LOG | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW},
	} {
		if got, err := Flags(&specs.LinuxSeccomp{Flags: c.flags}); err != nil || got != c.want {
			t.Errorf("%v: %#x, %v; want %#x", c.flags, got, err, c.want)
		}
	}
	if _, err := Flags(&specs.LinuxSeccomp{Flags: []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagWaitKillableRecv}}); err == nil {
		t.Error("a flag for NOTIFY was accepted")
	}
}

func TestBytes(t *testing.T) {
	f := Filter{{Code: 0x1234, Jt: 5, Jf: 6, K: 0x789abcde}}
	if got, want := fmt.Sprintf("%x", f.Bytes()), "3412"+"05"+"06"+"debc9a78"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestRelease(t *testing.T) {
	for s, want := range map[string]Version{"6.18.44-fc-v657": {6, 18}, "4.8": {4, 8}, "5.10-rc3+": {5, 10}} {
		if got, err := parseRelease(s); err != nil || got != want {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	if _, err := parseRelease("six"); err == nil {
		t.Error("six was accepted")
	}
	if !(Version{6, 1}).AtLeast(Version{5, 19}) || (Version{5, 9}).AtLeast(Version{5, 10}) {
		t.Error("AtLeast compares wrongly")
	}
}

func FuzzCompile(f *testing.F) {
	f.Add([]byte(`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read","uname"],"action":"SCMP_ACT_ALLOW","args":[{"index":1,"value":4294967297,"op":"SCMP_CMP_LE"}]}]}`), uint32(0), uint64(1))
	f.Add([]byte(`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mount"],"action":"SCMP_ACT_ERRNO","errnoRet":38,"includes":{"caps":["CAP_A"]}}]}`), uint32(165), uint64(0))
	f.Add([]byte(`{"defaultAction":"SCMP_ACT_KILL_PROCESS","archMap":[{"architecture":"SCMP_ARCH_X86_64"}],"syscalls":[{"name":"read","action":"SCMP_ACT_LOG","args":[{"index":0,"value":3,"valueTwo":2,"op":"SCMP_CMP_MASKED_EQ"},{"index":0,"op":"SCMP_CMP_NE"}]}]}`), uint32(0), uint64(7))
	f.Fuzz(func(t *testing.T, profile []byte, nr uint32, arg uint64) {
		for _, arch := range []string{"amd64", "arm64"} {
			p, err := Load(profile, arch, usualCaps, newest)
			if err != nil {
				continue
			}
			filter, err := Compile(p, arch)
			if err != nil {
				continue
			}
			if len(filter) == 0 || len(filter) > maxInstructions {
				t.Fatalf("%d instructions", len(filter))
			}
			newOracle(p, arch).compare(t, filter, data{nr, auditArch[arch], [6]uint64{arg, arg, arg, arg, arg, arg}})
		}
	})
}

func BenchmarkDefault(b *testing.B) {
	for b.Loop() {
		mustCompile(b, mustDefault(b, "amd64", usualCaps), "amd64").Bytes()
	}
}
