package oci

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/peapod/peapod/rootless/seccomp"
)

// refusal says that a field cannot be honoured.
func refusal(field, why string) error { return fmt.Errorf("%s: %s", field, why) }

// Check returns an error for everything in a specification that cannot be honoured, joined.
func Check(s *specs.Spec) error {
	if s.Process == nil || s.Root == nil || s.Linux == nil {
		return errors.New("config.json: process, root and linux are needed")
	}
	var errs []error
	for _, rules := range [][]rule{specRules(s), processRules(s.Process), linuxRules(s)} {
		for _, r := range rules {
			if r.broken {
				errs = append(errs, refusal(r.field, r.why))
			}
		}
	}
	return errors.Join(append(errs, checkSeccomp(s.Linux.Seccomp))...)
}

// A rule is a field that must not be as it is.
type rule struct {
	broken     bool
	field, why string
}

const noSupport = "not supported"

func specRules(s *specs.Spec) []rule {
	hooks := s.Hooks
	if hooks == nil {
		hooks = &specs.Hooks{}
	}
	relative := slices.ContainsFunc(slices.Concat(hooks.Prestart, hooks.CreateRuntime, hooks.Poststart, hooks.Poststop), //nolint:staticcheck // prestart is deprecated but in use
		func(h specs.Hook) bool { return !filepath.IsAbs(h.Path) })
	return []rule{
		{s.Version == "", "ociVersion", "is missing"},
		{s.Version != "" && !compatible(s.Version), "ociVersion", s.Version + ": expected 1.x"},
		{s.Root.Path == "", "root.path", "is missing"},
		{s.Windows != nil, "windows", noSupport}, {s.Solaris != nil, "solaris", noSupport}, {s.VM != nil, "vm", noSupport},
		{s.ZOS != nil, "zos", noSupport}, {s.FreeBSD != nil, "freebsd", noSupport},
		{len(hooks.CreateContainer) > 0, "hooks.createContainer", "a program of the host would run in the container's namespaces; createRuntime is supported"},
		{len(hooks.StartContainer) > 0, "hooks.startContainer", "a program of the image would run with the runtime's privileges; put it into process.args"},
		{relative, "hooks", "a path is not absolute"},
	}
}

func processRules(p *specs.Process) []rule {
	return []rule{
		{len(p.Args) == 0, "process.args", "is empty"},
		{!filepath.IsAbs(p.Cwd), "process.cwd", "must be an absolute path"},
		{p.CommandLine != "" || p.User.Username != "", "process", "commandLine and user.username are for Windows"},
		{p.ApparmorProfile != "", "process.apparmorProfile", noSupport},
		{p.SelinuxLabel != "", "process.selinuxLabel", noSupport},
		{p.Scheduler != nil, "process.scheduler", noSupport},
		{p.IOPriority != nil, "process.ioPriority", noSupport},
		{p.ExecCPUAffinity != nil, "process.execCPUAffinity", noSupport},
		{repeated(p.Rlimits), "process.rlimits", "a type is listed twice"},
	}
}

func repeated(limits []specs.POSIXRlimit) bool {
	seen := map[string]bool{}
	for _, l := range limits {
		if seen[l.Type] {
			return true
		}
		seen[l.Type] = true
	}
	return false
}

func linuxRules(s *specs.Spec) []rule {
	l := s.Linux
	has := func(kind specs.LinuxNamespaceType) bool {
		return slices.ContainsFunc(l.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == kind })
	}
	made := func(kind specs.LinuxNamespaceType) bool {
		return slices.ContainsFunc(l.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == kind && n.Path == "" })
	}
	mapped := len(l.UIDMappings) > 0 || len(l.GIDMappings) > 0
	rules := []rule{
		{mapped && !has(specs.UserNamespace), "linux.uidMappings", "there is no user namespace in linux.namespaces"},
		{made(specs.UserNamespace) && (len(l.UIDMappings) == 0) != (len(l.GIDMappings) == 0), "linux.uidMappings and linux.gidMappings", "one without the other"},
		{s.Hostname != "" && !has(specs.UTSNamespace), "hostname", "there is no uts namespace in linux.namespaces"},
		{s.Domainname != "" && !has(specs.UTSNamespace), "domainname", "there is no uts namespace in linux.namespaces"},
		{l.MountLabel != "", "linux.mountLabel", noSupport},
		{l.IntelRdt != nil, "linux.intelRdt", noSupport},
		{l.MemoryPolicy != nil, "linux.memoryPolicy", noSupport},
		{l.Personality != nil, "linux.personality", noSupport},
		{len(l.TimeOffsets) > 0, "linux.timeOffsets", noSupport},
		{len(l.NetDevices) > 0, "linux.netDevices", noSupport},
	}
	return append(rules, resourceRules(l.Resources)...)
}

const noLimits = "cgroup limits are not set here; start the runtime in a cgroup that has them"

func resourceRules(r *specs.LinuxResources) []rule {
	if r == nil {
		return nil
	}
	allowed := slices.ContainsFunc(r.Devices, func(d specs.LinuxDeviceCgroup) bool {
		return d.Allow && d.Major != nil && *d.Major >= 0 && d.Type == "b"
	})
	return []rule{
		{allowed, "linux.resources.devices", "a block device is allowed, but none can be had without root"},
		{r.Memory != nil && *r.Memory != specs.LinuxMemory{}, "linux.resources.memory", noLimits},
		{r.CPU != nil && *r.CPU != specs.LinuxCPU{}, "linux.resources.cpu", noLimits},
		{r.Pids != nil && r.Pids.Limit != nil && *r.Pids.Limit > 0, "linux.resources.pids", noLimits},
		{r.BlockIO != nil, "linux.resources.blockIO", noLimits},
		{len(r.HugepageLimits) > 0, "linux.resources.hugepageLimits", noLimits},
		{r.Network != nil, "linux.resources.network", noLimits},
		{len(r.Rdma) > 0, "linux.resources.rdma", noLimits},
		{len(r.Unified) > 0, "linux.resources.unified", noLimits},
	}
}

func checkSeccomp(p *specs.LinuxSeccomp) error {
	if p == nil {
		return nil
	}
	if p.ListenerPath != "" {
		return refusal("linux.seccomp.listenerPath", noSupport)
	}
	if _, err := seccomp.Flags(p); err != nil {
		return refusal("linux.seccomp.flags", err.Error())
	}
	return nil
}

// compatible: versions 1.x and their release candidates (semver.org).
func compatible(version string) bool { return len(version) > 2 && version[:2] == "1." }
