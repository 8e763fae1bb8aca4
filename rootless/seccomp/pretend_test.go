package seccomp

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Each call that needs another id succeeds without doing anything, whatever the profile was; all others are as before.
func TestPretend(t *testing.T) {
	profile, err := Default("amd64", []string{"CAP_CHOWN"}, Version{6, 1})
	if err != nil {
		t.Fatal(err)
	}
	strict := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{
		{Names: []string{"setuid", "getpid"}, Action: specs.ActKillProcess},
		{Names: []string{"chown"}, Action: specs.ActErrno},
		{Names: []string{"statx"}, Action: specs.ActAllow}, // numbers above the highest that is named are another matter
	}}
	const success = verdict(unix.SECCOMP_RET_ERRNO)
	for name, p := range map[string]*specs.LinuxSeccomp{"default": profile, "strict": strict, "unconfined": nil} {
		var before Filter
		if p != nil {
			if before, err = Compile(p, "amd64"); err != nil {
				t.Fatal(err)
			}
		}
		f, err := Compile(Pretend(p), "amd64")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		verdictOf := func(f Filter, call string, args ...uint64) verdict {
			nr, ok := number("amd64", call)
			if !ok {
				t.Fatalf("no such call: %s", call)
			}
			d := data{nr: nr, arch: auditArch["amd64"]}
			copy(d.args[:], args)
			return run(f, d)
		}
		for _, call := range pretended {
			if got := verdictOf(f, call, 33, 33, 33); got != success {
				t.Errorf("%s: %s: %#x, want success without effect", name, call, got)
			}
		}
		for mode, want := range map[uint64]verdict{
			unix.S_IFCHR | 0o666: success, unix.S_IFBLK: success, unix.S_IFIFO | 0o600: unix.SECCOMP_RET_ALLOW,
			0o644: unix.SECCOMP_RET_ALLOW, unix.S_IFREG: unix.SECCOMP_RET_ALLOW, unix.S_IFSOCK: unix.SECCOMP_RET_ALLOW,
		} {
			if got := verdictOf(f, "mknod", 0, mode); got != want {
				t.Errorf("%s: mknod of mode %#o: %#x, want %#x", name, mode, got, want)
			}
			if got := verdictOf(f, "mknodat", 0, 0, mode); got != want {
				t.Errorf("%s: mknodat of mode %#o: %#x, want %#x", name, mode, got, want)
			}
		}
		for _, call := range []string{"getpid", "openat", "mount", "chmod", "getuid"} {
			want := verdict(unix.SECCOMP_RET_ALLOW)
			if before != nil {
				want = verdictOf(before, call)
			}
			if got := verdictOf(f, call); got != want {
				t.Errorf("%s: %s: %#x, was %#x", name, call, got, want)
			}
		}
	}
	if len(profile.Syscalls[0].Names) == 0 || len(strict.Syscalls) != 3 || len(strict.Syscalls[0].Names) != 2 {
		t.Error("the profile that was given has changed")
	}
}
