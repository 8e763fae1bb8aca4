package container

import (
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-tools/generate"
	corev1 "k8s.io/api/core/v1"
)

// defaultCapabilities are what the kubelet's runtimes grant a container that asks for nothing.
var defaultCapabilities = []string{
	"CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD",
	"CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
}

// maskedPaths and readonlyPaths hide what procfs and sysfs tell of the host, as the kubelet's runtimes do.
var (
	maskedPaths = []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
		"/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
	}
	readonlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
)

// secure applies the container's and the Pod's security contexts, of which the container's goes first.
func secure(g *generate.Generator, c Config) {
	own := c.Container.SecurityContext
	if own == nil {
		own = &corev1.SecurityContext{}
	}
	granted := Granted(c.Container)
	// No ambient set, and nothing inheritable: so does containerd, and CRI-O unless it is told otherwise. A user other than root therefore loses all of
	// these at execve, but for what a file's capabilities or a setuid bit give back, up to the bounding set. (Kubernetes has no field for more: KEP-2763.)
	g.Config.Process.Capabilities = &specs.LinuxCapabilities{Bounding: granted, Permitted: granted, Effective: granted}
	g.SetProcessNoNewPrivileges(own.AllowPrivilegeEscalation != nil && !*own.AllowPrivilegeEscalation)
	g.SetRootReadonly(own.ReadOnlyRootFilesystem != nil && *own.ReadOnlyRootFilesystem)
	g.Config.Linux.MaskedPaths, g.Config.Linux.ReadonlyPaths = maskedPaths, readonlyPaths
	if privileged(c.Container) || own.ProcMount != nil && *own.ProcMount == corev1.UnmaskedProcMount {
		g.Config.Linux.MaskedPaths, g.Config.Linux.ReadonlyPaths = nil, nil
	}
	g.Config.Linux.Devices = c.Devices
	g.Config.Linux.Seccomp = c.Seccomp
	g.Config.Linux.Resources = nil
}

// privileged tells whether a container may do all that its user may: all capabilities of the Pod's user namespace, nothing masked, no
// system call forbidden, the user's devices.
func privileged(c *corev1.Container) bool {
	return c.SecurityContext != nil && c.SecurityContext.Privileged != nil && *c.SecurityContext.Privileged
}

// Granted are the capabilities of a container's processes, sorted.
func Granted(c *corev1.Container) []string {
	switch {
	case privileged(c):
		return allCapabilities()
	case c.SecurityContext == nil:
		return Capabilities(nil)
	}
	return Capabilities(c.SecurityContext.Capabilities)
}

// Capabilities are the granted ones, sorted: the default plus add, without drop; ALL means every one. A name may be given with or
// without CAP_. First comes what is said of ALL, then what is added by name, then what is dropped by name, as in the kubelet's runtimes.
func Capabilities(want *corev1.Capabilities) []string {
	granted := slices.Clone(defaultCapabilities)
	if want == nil {
		return granted
	}
	if slices.ContainsFunc(want.Add, isAll) {
		granted = allCapabilities()
	}
	if slices.ContainsFunc(want.Drop, isAll) {
		granted = nil
	}
	for _, c := range want.Add {
		if name := capabilityName(c); !isAll(c) && !slices.Contains(granted, name) {
			granted = append(granted, name)
		}
	}
	for _, c := range want.Drop {
		granted = slices.DeleteFunc(granted, func(g string) bool { return g == capabilityName(c) })
	}
	slices.Sort(granted)
	return granted
}

func isAll(c corev1.Capability) bool { return capabilityName(c) == "CAP_ALL" }

func capabilityName(c corev1.Capability) string {
	return "CAP_" + strings.TrimPrefix(strings.ToUpper(string(c)), "CAP_")
}
