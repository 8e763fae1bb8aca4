package container

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-tools/generate"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/sandbox"
)

// Config is everything that the specification of one container depends on.
type Config struct {
	Pod       *corev1.Pod
	Container *corev1.Container
	Image     imgspecv1.ImageConfig
	// Command and Args are the Pod's, expanded; Env is the Pod's environment in order, expanded.
	Command, Args []string
	Env           []string
	Hostname      string
	User          User                // resolved in the image
	PausePid      int                 // whose namespaces the container joins
	TargetPid     int                 // whose process namespace it joins, unless all of the Pod's containers share one; 0: nobody's
	RootPath      string              // for runtimes that want the root file system by path
	Files         Files               // host paths of the files that a Pod's containers share
	Seccomp       *specs.LinuxSeccomp // nil: unconfined
	Cgroup        bool                // mount cgroup2 on /sys/fs/cgroup
	OOMScoreAdj   int                 // not less than the node's own
	Single        bool                // the Pod's user namespace has one id
	Devices       []specs.LinuxDevice // of the host, besides those that every container has
	MaxProcesses  int64               // in its process namespace; any number if 0
	Volumes       []VolumeMount
	Message       string // host path of the file at the container's terminationMessagePath; empty: none
}

// VolumeMount is a volume, or a part of one, at a place in the container.
type VolumeMount struct {
	Destination string // where the container sees it, absolute
	Source      string // by path, for other runtimes; this one is given a descriptor (Sources.Volumes)
	Options     []string
}

// Files are host paths of what every container of a Pod sees at a fixed place.
type Files struct {
	Hosts, Hostname, ResolvConf string // files at /etc
	Apt                         string // a file among the settings of apt; may be missing
	Shm                         string // the folder at /dev/shm
	Mqueue                      string // the folder at /dev/mqueue in the host's ipc namespace; may be missing. In the Pod's own it is a new mount
}

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Spec returns the OCI runtime specification of a container.
func Spec(c Config) (*specs.Spec, error) {
	g, err := generate.New("linux")
	if err != nil {
		return nil, fmt.Errorf("generate the specification: %w", err)
	}
	args := processArgs(c)
	if len(args) == 0 {
		return nil, fmt.Errorf("container %s: no command: neither the Pod nor the image names one", c.Container.Name)
	}
	if c.Container.TerminationMessagePath == "" {
		c.Message = ""
	}
	if err := checkVolumes(c.binds()); err != nil {
		return nil, err
	}
	g.SetProcessArgs(args)
	g.Config.Process.Env = environment(c)
	g.SetProcessCwd(workingDirectory(c))
	g.Config.Process.Terminal = c.Container.TTY
	g.Config.Process.User = specs.User{UID: c.User.UID, GID: c.User.GID, AdditionalGids: c.User.Groups}
	g.SetProcessOOMScoreAdj(c.OOMScoreAdj)
	g.Config.Process.Rlimits = nil // the node's own, as the kubelet's runtimes do
	g.SetHostname(c.Hostname)
	g.SetRootPath(c.RootPath)
	secure(&g, c)
	namespaces(&g, c)
	mounts(&g, c)
	limitProcesses(&g, c)
	if c.Single {
		fold(g.Config)
	}
	return g.Config, nil
}

// limitProcesses bounds the numbers that processes can have, which each process namespace has of its own since Linux 6.14. The first three hundred are given
// out once only (RESERVED_PIDS in the kernel), so as many more are needed, and may be had at first. The host's are not a container's to bound.
func limitProcesses(g *generate.Generator, c Config) {
	const reserved = 300
	if c.MaxProcesses > 0 && !c.Pod.Spec.HostPID {
		g.AddLinuxSysctl("kernel.pid_max", strconv.FormatInt(c.MaxProcesses+reserved, 10))
	}
}

// processArgs combines image and Pod as the kubelet does: a command replaces the image's entry point and its arguments,
// arguments replace the image's arguments only.
func processArgs(c Config) []string {
	entrypoint, cmd := c.Image.Entrypoint, c.Image.Cmd
	if len(c.Command) > 0 {
		entrypoint, cmd = c.Command, nil
	}
	if len(c.Args) > 0 {
		cmd = c.Args
	}
	return append(append([]string{}, entrypoint...), cmd...)
}

// environment is the image's, then the Pod's, of which the last value counts.
func environment(c Config) []string {
	base := []string{"PATH=" + defaultPath, "HOSTNAME=" + c.Hostname}
	if c.User.Home != "" {
		base = append(base, "HOME="+c.User.Home)
	}
	if c.Container.TTY {
		base = append(base, "TERM=xterm")
	}
	var order []string
	values := map[string]string{}
	for _, list := range [][]string{base, c.Image.Env, c.Env} {
		for _, entry := range list {
			name, _, _ := strings.Cut(entry, "=")
			if _, ok := values[name]; !ok {
				order = append(order, name)
			}
			values[name] = entry
		}
	}
	env := make([]string, len(order))
	for i, name := range order {
		env[i] = values[name]
	}
	return env
}

func workingDirectory(c Config) string {
	for _, dir := range []string{c.Container.WorkingDir, c.Image.WorkingDir} {
		if dir != "" {
			return path.Join("/", dir)
		}
	}
	return "/"
}

// namespaces says which of the pause's the container joins and which are its own.
func namespaces(g *generate.Generator, c Config) {
	g.ClearLinuxNamespaces()
	joined := func(kind specs.LinuxNamespaceType, name string) specs.LinuxNamespace {
		return specs.LinuxNamespace{Type: kind, Path: fmt.Sprintf("/proc/%d/ns/%s", c.PausePid, name)}
	}
	g.Config.Linux.Namespaces = []specs.LinuxNamespace{
		joined(specs.UserNamespace, "user"), joined(specs.NetworkNamespace, "net"),
		joined(specs.IPCNamespace, "ipc"), joined(specs.UTSNamespace, "uts"),
		{Type: specs.MountNamespace}, {Type: specs.PIDNamespace}, {Type: specs.CgroupNamespace},
	}
	if share := c.Pod.Spec.ShareProcessNamespace; share != nil && *share {
		g.Config.Linux.Namespaces[5] = joined(specs.PIDNamespace, "pid")
	} else if c.TargetPid != 0 {
		g.Config.Linux.Namespaces[5].Path = fmt.Sprintf("/proc/%d/ns/pid", c.TargetPid)
	}
	host := sandbox.HostNamespaces(&c.Pod.Spec)
	g.Config.Linux.Namespaces = slices.DeleteFunc(g.Config.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return NamespaceFlag[n.Type]&host != 0 })
}

// mounts are what the kubelet's runtimes give every container, in the order in which they are mounted.
func mounts(g *generate.Generator, c Config) {
	g.RemoveMount("/dev/shm")
	host := sandbox.HostNamespaces(&c.Pod.Spec)
	if host&unix.CLONE_NEWPID != 0 {
		// A procfs that shows the host's processes can be mounted by the host's root only (pid_namespaces(7)). This one comes with all that is
		// mounted in it: what hides something of it there hides it here.
		i := slices.IndexFunc(g.Config.Mounts, func(m specs.Mount) bool { return m.Type == "proc" })
		m := &g.Config.Mounts[i]
		m.Type, m.Source, m.Options = "bind", "/proc", append([]string{"rbind"}, m.Options...)
	}
	if host&unix.CLONE_NEWNET != 0 {
		// A sysfs shows the devices of a network namespace, and only who has power over that may mount one (sysfs_init_fs_context).
		i := slices.IndexFunc(g.Config.Mounts, func(m specs.Mount) bool { return m.Type == "sysfs" })
		m := &g.Config.Mounts[i]
		m.Type, m.Source, m.Options = "bind", hostSysfs, []string{"rbind", "nosuid", "noexec", "nodev", "rro"}
	}
	if host&unix.CLONE_NEWIPC != 0 {
		g.RemoveMount("/dev/mqueue")
	}
	if c.Cgroup {
		g.AddMount(specs.Mount{Destination: "/sys/fs/cgroup", Type: "cgroup2", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "ro"}})
	}
	var binds []specs.Mount
	for _, v := range c.binds() {
		binds = append(binds, specs.Mount{Destination: path.Clean("/" + v.Destination), Type: "bind", Source: v.Source, Options: append([]string{"rbind"}, v.Options...)})
	}
	bind := func(destination, source string, options ...string) {
		taken := slices.ContainsFunc(binds, func(m specs.Mount) bool { return m.Destination == destination })
		if source != "" && !taken { // a volume of the Pod's at the same place goes before
			binds = append(binds, specs.Mount{Destination: destination, Type: "bind", Source: source, Options: append([]string{"rbind"}, options...)})
		}
	}
	bind("/dev/shm", c.Files.Shm, "nosuid", "noexec", "nodev")
	bind("/dev/mqueue", c.Files.Mqueue, "nosuid", "noexec", "nodev")
	bind("/etc/hosts", c.Files.Hosts)
	bind("/etc/hostname", c.Files.Hostname)
	bind("/etc/resolv.conf", c.Files.ResolvConf)
	bind("/"+aptConf, c.Files.Apt, "ro")
	// What is further down comes later, or it would be covered.
	slices.SortStableFunc(binds, func(a, b specs.Mount) int { return depth(a.Destination) - depth(b.Destination) })
	g.Config.Mounts = append(g.Config.Mounts, binds...)
}

// binds are the Pod's volumes and the file for the container's last words, unless a volume is at its place.
func (c *Config) binds() []VolumeMount {
	place := path.Clean("/" + c.Container.TerminationMessagePath)
	taken := slices.ContainsFunc(c.Volumes, func(v VolumeMount) bool { return path.Clean("/"+v.Destination) == place })
	if c.Message == "" || taken {
		return c.Volumes
	}
	return append(slices.Clone(c.Volumes), VolumeMount{Destination: place, Source: c.Message})
}

// checkVolumes refuses what other runtimes refuse too: what is written to /proc on a container's behalf must reach the kernel.
func checkVolumes(volumes []VolumeMount) error {
	for _, v := range volumes {
		switch top, _, _ := strings.Cut(relative(v.Destination), "/"); top {
		case ".", "proc":
			return fmt.Errorf("%q cannot be mounted because it is the root or inside /proc", v.Destination)
		}
	}
	return nil
}

// depth is how many folders a clean, absolute path goes down.
func depth(p string) int {
	if p == "/" {
		return 0
	}
	return strings.Count(p, "/")
}
