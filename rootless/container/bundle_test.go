package container

import (
	"reflect"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// bundleSpec is a specification with something of everything that Compile does not know.
func bundleSpec() *specs.Spec {
	return &specs.Spec{
		Hostname: "demo",
		Root:     &specs.Root{Path: "/bundle/rootfs"},
		Process: &specs.Process{
			Args: []string{"/bin/sh"}, Cwd: "/", User: specs.User{UID: 5, GID: 6}, Terminal: true, ConsoleSize: &specs.Box{Height: 24, Width: 80},
		},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid"}},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"newinstance", "ptmxmode=0666"}},
			{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"ro"}},
			{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"ro"}},
			{Destination: "/var/run/data", Type: "bind", Source: "/host/data", Options: []string{"rbind", "rro", "noatime", "rprivate"}},
			{Destination: "/scratch", Type: "tmpfs", Options: []string{"noswap"}},
			{Destination: "/dev/mqueue", Type: "mqueue", Options: []string{"nosuid"}},
		},
		Linux: &specs.Linux{
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.UserNamespace}, {Type: specs.MountNamespace}, {Type: specs.PIDNamespace}, {Type: specs.UTSNamespace},
				{Type: specs.NetworkNamespace, Path: "/proc/7/ns/net"}, {Type: specs.TimeNamespace},
			},
			Devices:           []specs.LinuxDevice{{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229}},
			MaskedPaths:       []string{"/proc/keys", "/secret"},
			RootfsPropagation: "rslave",
		},
	}
}

func TestCompileBundleGolden(t *testing.T) {
	p, err := CompileBundle(bundleSpec(), BundleOptions{
		Options: Options{Seccomp: twoInstructions, LastCapability: 1}, Root: "/bundle/rootfs", Wait: true, Hooks: true, Keyring: "_ses.demo",
	})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "bundle.plan", p.String())
}

func TestCompileBundleExecGolden(t *testing.T) {
	p, err := CompileBundleExec(bundleSpec().Process, unix.CLONE_NEWNS|unix.CLONE_NEWPID, BundleOptions{Options: Options{LastCapability: 1}, Give: []int{1}})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "bundle-exec.plan", p.String())
}

// TestBundlePathsAreNeverWalked wants paths of the host to be used before the root file system is there only, and paths of the image
// by openat2 only. Devices of the host are checked afterwards.
func TestBundlePathsAreNeverWalked(t *testing.T) {
	p, err := CompileBundle(bundleSpec(), BundleOptions{Options: Options{LastCapability: 1}, Root: "/bundle/rootfs"})
	if err != nil {
		t.Fatal(err)
	}
	attached := false
	for line := range strings.Lines(p.String()) {
		walks := false
		for _, call := range []string{"open_tree(AT_FDCWD", "openat(AT_FDCWD", " mount(", "move_mount(AT_FDCWD"} {
			walks = walks || strings.Contains(line, call)
		}
		hosts := strings.Contains(line, `AT_FDCWD, "/dev/`)
		if attached && walks && !hosts {
			t.Errorf("walks a path by name: %s", line)
		}
		attached = attached || strings.Contains(line, "move_mount(") && strings.Contains(line, `"/bundle/rootfs"`)
		if strings.Contains(line, "openat2(") && !strings.Contains(line, "NO_MAGICLINKS") {
			t.Errorf("follows magic links: %s", line)
		}
	}
	if !attached {
		t.Error("the root file system is never attached")
	}
}

func TestCompileBundleRefuses(t *testing.T) {
	for name, change := range map[string]func(*specs.Spec){
		"no mount namespace":        func(s *specs.Spec) { s.Linux.Namespaces = s.Linux.Namespaces[:1] },
		"joined mount namespace":    func(s *specs.Spec) { s.Linux.Namespaces[1].Path = "/proc/7/ns/mnt" },
		"namespace listed twice":    func(s *specs.Spec) { s.Linux.Namespaces = append(s.Linux.Namespaces, s.Linux.Namespaces[0]) },
		"unknown namespace":         func(s *specs.Spec) { s.Linux.Namespaces[0].Type = "x" },
		"block device":              func(s *specs.Spec) { s.Linux.Devices[0].Type = "b" },
		"device outside /dev":       func(s *specs.Spec) { s.Linux.Devices[0].Path = "/etc/passwd" },
		"propagation":               func(s *specs.Spec) { s.Linux.RootfsPropagation = "x" },
		"terminal without devpts":   func(s *specs.Spec) { s.Mounts = s.Mounts[:2] },
		"sysctl without procfs":     func(s *specs.Spec) { s.Mounts, s.Linux.Sysctl = s.Mounts[1:], map[string]string{"net.a": "b"} },
		"bind without source":       func(s *specs.Spec) { s.Mounts[5].Source = "" },
		"mount without type":        func(s *specs.Spec) { s.Mounts[6].Type = "" },
		"idmapped mount":            func(s *specs.Spec) { s.Mounts[6].Options = []string{"idmap"} },
		"oom score without procfs":  func(s *specs.Spec) { s.Mounts, s.Process.OOMScoreAdj = s.Mounts[1:], new(int) },
		"unknown capability":        func(s *specs.Spec) { s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: []string{"CAP_X"}} },
		"unknown limit of resource": func(s *specs.Spec) { s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_X"}} },
	} {
		s := bundleSpec()
		change(s)
		if _, err := CompileBundle(s, BundleOptions{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestParseMountOptions(t *testing.T) {
	const atime = unix.MOUNT_ATTR__ATIME
	for _, c := range []struct {
		mount specs.Mount
		want  mountOptions
	}{
		{specs.Mount{Type: "tmpfs", Options: []string{"ro", "size=1k", "noswap", "defaults"}}, mountOptions{set: unix.MOUNT_ATTR_RDONLY, data: []string{"size=1k", "noswap"}}},
		{specs.Mount{Type: "none", Source: "/a", Options: []string{"rbind", "rw"}}, mountOptions{bind: true, recursive: true}},
		{specs.Mount{Type: "bind", Source: "/a", Options: []string{"nosuid", "suid"}}, mountOptions{bind: true, clear: unix.MOUNT_ATTR_NOSUID}},
		{specs.Mount{Type: "bind", Source: "/a", Options: []string{"suid", "nosuid"}}, mountOptions{bind: true, set: unix.MOUNT_ATTR_NOSUID}},
		{specs.Mount{Type: "bind", Source: "/a", Options: []string{"noatime", "strictatime"}}, mountOptions{bind: true, set: unix.MOUNT_ATTR_STRICTATIME, clear: atime}},
		{specs.Mount{Type: "bind", Source: "/a", Options: []string{"rro", "rslave"}}, mountOptions{bind: true, setAll: unix.MOUNT_ATTR_RDONLY, propagation: unix.MS_SLAVE, propagateAll: true}},
		{specs.Mount{Type: "tmpfs", Options: []string{"shared"}}, mountOptions{propagation: unix.MS_SHARED}},
	} {
		got, err := parseMountOptions(c.mount)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v:\n got %+v, %v\nwant %+v", c.mount.Options, got, err, c.want)
		}
	}
}
