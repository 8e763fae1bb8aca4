package container

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/seccomp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func ptr[T any](v T) *T { return &v }

// nginx is the configuration of the demo Pod's nginx, with what only the tests can know made up.
func nginx() Config {
	return Config{
		Pod:       &corev1.Pod{},
		Container: &corev1.Container{Name: "nginx"},
		Image: imgspecv1.ImageConfig{
			Entrypoint: []string{"/docker-entrypoint.sh"}, Cmd: []string{"nginx", "-g", "daemon off;"},
			Env: []string{"PATH=/usr/sbin:/usr/bin", "NGINX_VERSION=1.21"},
		},
		Env: []string{"A=1"}, Hostname: "demo", PausePid: 42, RootPath: "/run/container/rootfs",
		User:   User{Home: "/root", Groups: []uint32{0}},
		Files:  Files{Hosts: "/run/pod/hosts", Hostname: "/run/pod/hostname", ResolvConf: "/run/pod/resolv.conf", Shm: "/run/pod/shm"},
		Cgroup: true,
	}
}

// twoInstructions is a filter, as far as a Plan shows one.
var twoInstructions = seccomp.Program{Filter: make([]byte, 16), Flags: unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs from what is compiled now; run the test with -update and read the difference:\n%s", path, got)
	}
}

func TestCompileGolden(t *testing.T) {
	restricted := nginx()
	restricted.Container.SecurityContext = &corev1.SecurityContext{
		AllowPrivilegeEscalation: ptr(false), ReadOnlyRootFilesystem: ptr(true),
		Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}, Add: []corev1.Capability{"NET_BIND_SERVICE"}},
	}
	restricted.User = User{UID: 101, GID: 101, Groups: []uint32{7, 8}}
	restricted.Container.WorkingDir = "/var/lib/work"
	single, renamed := nginx(), restricted
	single.Single, renamed.Single = true, true
	terminal, host := nginx(), nginx()
	terminal.Container.TTY = true
	host.Pod = &corev1.Pod{Spec: corev1.PodSpec{HostNetwork: true, HostPID: true, HostIPC: true}}
	host.Files.Shm, host.Files.Mqueue = "/dev/shm", "/dev/mqueue"
	allowed := nginx()
	allowed.Container.SecurityContext = &corev1.SecurityContext{Privileged: ptr(true)}
	allowed.Devices = []specs.LinuxDevice{{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229}, {Path: "/dev/net/tun", Type: "c", Major: 10, Minor: 200}}
	for name, c := range map[string]Config{
		"terminal.plan": terminal, "nginx.plan": nginx(), "restricted.plan": restricted, "single.plan": single, "renamed.plan": renamed, "host.plan": host,
		"volumes.plan": volumes(), "privileged.plan": allowed,
	} {
		t.Run(name, func(t *testing.T) {
			spec, err := Spec(c)
			if err != nil {
				t.Fatal(err)
			}
			spec.Linux.Sysctl = map[string]string{"net.core.somaxconn": "512"}
			p, err := Compile(spec, Options{Staging: "/run/staging", Seccomp: twoInstructions, LastCapability: 40, Single: c.Single})
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, p.String())
		})
	}
}

// volumes is a container with volumes of all kinds: one in another, one where files of ours go else, in /dev, read-only in different depths, shared.
func volumes() Config {
	c := nginx()
	c.Container.TerminationMessagePath = "/dev/termination-log"
	c.Message = "/run/pod/message"
	c.Volumes = []VolumeMount{
		{Destination: "/data/inner", Source: "/pods/inner", Options: []string{"rprivate", "rro"}},
		{Destination: "/data", Source: "/pods/data", Options: []string{"rprivate", "ro"}},
		{Destination: "/shared", Source: "/pods/shared", Options: []string{"rshared"}},
		{Destination: "/seen", Source: "/pods/shared", Options: []string{"rslave", "noexec", "nodev", "nosuid"}},
		{Destination: "/etc/hosts", Source: "/pods/hosts", Options: []string{"rprivate"}},
		{Destination: "/dev/shm", Source: "/pods/shm", Options: []string{"rprivate"}},
		{Destination: "/sys/fs/more", Source: "/pods/more", Options: []string{"rprivate"}},
	}
	return c
}

func TestCompileExecGolden(t *testing.T) {
	spec, err := Spec(nginx())
	if err != nil {
		t.Fatal(err)
	}
	process := *spec.Process
	process.Args, process.Terminal = []string{"sh"}, true
	for name, single := range map[string]bool{"exec.plan": false, "exec-single.plan": true} {
		n, err := namespacesOf(spec.Linux.Namespaces)
		if err != nil {
			t.Fatal(err)
		}
		p, err := CompileExec(&process, n.listed, Options{Seccomp: twoInstructions, LastCapability: 40, Single: single})
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, p.String())
	}
}

// TestImagePathsAreNeverWalked looks through a Plan for a call that would follow a path of the image by itself.
func TestImagePathsAreNeverWalked(t *testing.T) {
	spec, err := Spec(volumes())
	if err != nil {
		t.Fatal(err)
	}
	p, err := Compile(spec, Options{Staging: "/run/staging", LastCapability: 40})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(p.String(), "\n")
	for i, line := range lines {
		for _, call := range []string{" mount(", " chdir(\"", " mkdir(", " open(", " openat("} {
			itself := strings.Contains(line, `chdir("/")`) || strings.Contains(line, `>, ".",`) // the descriptor's own folder
			if strings.Contains(line, call) && !itself {
				t.Errorf("line %d walks a path by name: %s", i, line)
			}
		}
		if strings.Contains(line, "openat2(") && !strings.Contains(line, "NO_MAGICLINKS") {
			t.Errorf("line %d follows magic links: %s", i, line)
		}
		if strings.Contains(line, "move_mount(") && !strings.Contains(line, "T_EMPTY_PATH") && !strings.Contains(line, "/run/staging") {
			t.Errorf("line %d mounts onto a path: %s", i, line)
		}
	}
}

func TestSpecArguments(t *testing.T) {
	for _, test := range []struct {
		name          string
		command, args []string
		want          string
	}{
		{"image", nil, nil, "/docker-entrypoint.sh nginx -g daemon off;"},
		{"command", []string{"sleep"}, nil, "sleep"},
		{"args", nil, []string{"-h"}, "/docker-entrypoint.sh -h"},
		{"both", []string{"sleep"}, []string{"1"}, "sleep 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := nginx()
			c.Command, c.Args = test.command, test.args
			spec, err := Spec(c)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(spec.Process.Args, " "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	c := nginx()
	c.Image = imgspecv1.ImageConfig{}
	if _, err := Spec(c); err == nil {
		t.Error("a container without a command is no error")
	}
}

func TestEnvironment(t *testing.T) {
	c := nginx()
	c.Env = []string{"A=1", "PATH=/bin", "A=2", "B="}
	got := strings.Join(environment(c), " ")
	want := "PATH=/bin HOSTNAME=demo HOME=/root NGINX_VERSION=1.21 A=2 B="
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCapabilities(t *testing.T) {
	all := len(capabilityNames)
	for _, test := range []struct {
		name      string
		add, drop []corev1.Capability
		want      int
		has       string
	}{
		{"default", nil, nil, 14, "CAP_CHOWN"},
		{"add", []corev1.Capability{"sys_ptrace"}, nil, 15, "CAP_SYS_PTRACE"},
		{"add all", []corev1.Capability{"ALL"}, nil, all, "CAP_BPF"},
		{"add all but one", []corev1.Capability{"ALL"}, []corev1.Capability{"CAP_BPF"}, all - 1, "CAP_CHOWN"},
		{"drop all but one", []corev1.Capability{"KILL"}, []corev1.Capability{"ALL"}, 1, "CAP_KILL"},
		{"add and drop one", []corev1.Capability{"SYS_PTRACE"}, []corev1.Capability{"cap_sys_ptrace"}, 14, "CAP_CHOWN"},
		{"add and drop all", []corev1.Capability{"ALL"}, []corev1.Capability{"ALL"}, 0, ""},
		{"all and nothing of one", []corev1.Capability{"ALL", "KILL"}, []corev1.Capability{"all", "kill"}, 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := Capabilities(&corev1.Capabilities{Add: test.add, Drop: test.drop})
			if len(got) != test.want || !strings.Contains(strings.Join(got, " "), test.has) {
				t.Errorf("got %v", got)
			}
		})
	}
	if _, err := capabilitySet([]string{"CAP_NONSENSE"}); err == nil {
		t.Error("an unknown capability is no error")
	}
}

// TestCompileTarget looks for the two joins of a container that is among another's processes, in their order.
func TestCompileTarget(t *testing.T) {
	c := nginx()
	c.TargetPid = 43
	spec, err := Spec(c)
	if err != nil {
		t.Fatal(err)
	}
	if ownsProcesses(spec) {
		t.Error("it has a process namespace of its own")
	}
	p, err := Compile(spec, Options{Staging: "/run/staging", LastCapability: 40, Target: true})
	if err != nil {
		t.Fatal(err)
	}
	text := p.String()
	pod, target := strings.Index(text, "setns(<sandbox>, NEWUSER|NEWNET|NEWIPC|NEWUTS)"), strings.Index(text, "setns(<target>, NEWPID)")
	if pod < 0 || target < pod {
		t.Errorf("the pause's namespaces at %d, the target's at %d of\n%.600s", pod, target, text)
	}
	c.Pod = &corev1.Pod{Spec: corev1.PodSpec{ShareProcessNamespace: ptr(true)}}
	if spec, err = Spec(c); err != nil || spec.Linux.Namespaces[5].Path != "/proc/42/ns/pid" {
		t.Errorf("where all share: %+v, %v", spec.Linux.Namespaces[5], err)
	}
}
