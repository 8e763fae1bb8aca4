package container

import (
	"fmt"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/plan"
	"github.com/peapod/peapod/rootless/seccomp"
)

// Options are what a Plan depends on besides the specification.
type Options struct {
	// Staging is an empty folder of the host where the root file system is attached for the moment before pivot_root.
	Staging string
	// Seccomp is the compiled profile.
	Seccomp seccomp.Program
	// LastCapability is the kernel's highest (/proc/sys/kernel/cap_last_cap).
	LastCapability int
	// Single: the Pod's user namespace has one id.
	Single bool
	// Target: the process namespace that the container joins is another container's.
	Target bool
}

// Names under which a Plan inherits descriptors. The sources of bind mounts are "bind:" and the destination.
const (
	sandboxFD = "sandbox" // pidfd of the pause
	rootFD    = "rootfs"  // the root file system, a detached mount
	targetFD  = "target"  // pidfd of the container that a command joins, or whose process namespace another container joins
	devptsFD  = "devpts"  // with a terminal: the devpts it is in, a detached mount
	bindFD    = "bind:"
)

// Compile turns the specification of a container into the Plan that starts it. The process it makes is a child of the
// caller: of the namespaces that the specification lists, those with a path are the pause's (or the target's), the others are new.
func Compile(spec *specs.Spec, o Options) (*plan.Plan, error) {
	b := &builder{Plan: plan.New(), options: o}
	n, err := namespacesOf(spec.Linux.Namespaces)
	if err != nil {
		return nil, err
	}
	b.hide()
	b.join(n.listed&^n.made, o.Target)
	renamed := len(spec.Linux.UIDMappings) > 0
	memory := uintptr(unix.CLONE_VM)
	if renamed {
		memory = 0 // it makes a user namespace
	}
	b.Fork("make the container's namespaces", uintptr(n.made)|memory)
	b.Call("", unix.SYS_SETSID)
	if spec.Process.Terminal {
		b.takeTerminal()
	}
	var self any
	if renamed {
		self = b.Call("", unix.SYS_OPENAT, atFDCWD, "/proc/self", plan.Flags{Value: pathFlags | unix.O_DIRECTORY, Name: "O_PATH|O_DIRECTORY|O_CLOEXEC"}, 0)
	}
	b.root = b.Inherit(rootFD)
	b.Call("attach the root file system", unix.SYS_MOVE_MOUNT, b.root, "", atFDCWD, o.Staging,
		plan.Flags{Value: unix.MOVE_MOUNT_F_EMPTY_PATH, Name: "F_EMPTY_PATH"})
	if spec.Process.Terminal {
		b.given = map[string]any{ptsFolder: b.Inherit(devptsFD)}
	}
	if err := b.mounts(spec.Mounts, false); err != nil {
		return nil, err
	}
	b.devices(spec.Linux.Devices)
	if spec.Process.Terminal {
		b.console()
	}
	if err := b.sysctls(spec.Linux.Sysctl); err != nil {
		return nil, err
	}
	b.adjustOOM(spec.Process.OOMScoreAdj)
	b.mask(spec.Linux.MaskedPaths)
	b.protect(spec.Linux.ReadonlyPaths)
	if err := b.mounts(spec.Mounts, true); err != nil {
		return nil, err
	}
	if spec.Root.Readonly {
		b.setAttributes("make the root file system read-only", b.root, unix.MOUNT_ATTR_RDONLY)
	}
	b.pivot()
	if renamed {
		b.rename(self, spec.Linux)
	}
	if err := b.process(spec.Process, b.root); err != nil {
		return nil, err
	}
	return b.Plan, nil
}

// join enters the pause's namespaces. The user namespace among them owns the target's process namespace, and so comes before it.
func (b *builder) join(namespaces uint64, target bool) {
	if target {
		namespaces &^= unix.CLONE_NEWPID
	}
	b.Call("join the Pod's namespaces", unix.SYS_SETNS, b.Inherit(sandboxFD), plan.NamespaceFlags(namespaces))
	if target {
		b.Call("join the target's process namespace", unix.SYS_SETNS, b.Inherit(targetFD), plan.NamespaceFlags(unix.CLONE_NEWPID))
	}
}

// mounts appends those mounts that are late, or all others.
func (b *builder) mounts(list []specs.Mount, isLate bool) error {
	for _, m := range list {
		if late(m) != isLate {
			continue
		}
		if err := b.mount(m); err != nil {
			return fmt.Errorf("mount %s: %w", m.Destination, err)
		}
	}
	return nil
}

// ownsProcesses tells whether the container has a process namespace of its own, which ends with its first process.
func ownsProcesses(spec *specs.Spec) bool {
	return slices.ContainsFunc(spec.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.PIDNamespace && n.Path == "" })
}

// CompileExec returns the Plan that runs a process beside the first one of a running container, of whose namespaces it joins the given
// ones. With terminal, stdin becomes the controlling terminal.
func CompileExec(p *specs.Process, namespaces uint64, o Options) (*plan.Plan, error) {
	b := &builder{Plan: plan.New(), options: o}
	b.hide()
	join := func(namespaces uint64) {
		b.Call("join the container's namespaces", unix.SYS_SETNS, b.Inherit(targetFD), plan.NamespaceFlags(namespaces))
	}
	if o.Single {
		// The container may have a user namespace of its own, which has no power over the others: they are joined first.
		join(namespaces &^ unix.CLONE_NEWUSER)
		join(unix.CLONE_NEWUSER)
	} else {
		join(namespaces)
	}
	b.Fork("enter the container's pid namespace", unix.CLONE_VM)
	b.Call("", unix.SYS_SETSID)
	if p.Terminal {
		b.takeTerminal()
	}
	// setns(2) of a mount namespace has made its root this process's root.
	root := b.Call("", unix.SYS_OPENAT, atFDCWD, "/", plan.Flags{Value: pathFlags | unix.O_DIRECTORY, Name: "O_PATH|O_DIRECTORY|O_CLOEXEC"}, 0)
	if err := b.process(p, root); err != nil {
		return nil, err
	}
	return b.Plan, nil
}

// builder is a Plan with the descriptors that its operations share.
type builder struct {
	*plan.Plan
	options Options
	root    any            // the root file system
	mounted map[string]any // by destination: descriptors of /proc, /sys and /dev
	given   map[string]any // by destination: mounts that the caller has made
}

// hide makes this process and the one it forks unreadable for everybody in the Pod until execve.
func (b *builder) hide() {
	b.Call("", unix.SYS_PRCTL, plan.Flags{Value: unix.PR_SET_DUMPABLE, Name: "PR_SET_DUMPABLE"}, 0, 0, 0, 0)
}

// pivot makes the root file system the root and leaves nothing of the old one.
func (b *builder) pivot() {
	b.Call("", unix.SYS_FCHDIR, b.root)
	// With the same folder twice the old root lands on top of the new one (pivot_root(2), NOTES), from where it is taken off.
	b.Call("make it the root", unix.SYS_PIVOT_ROOT, ".", ".")
	b.Call("leave the old root", unix.SYS_UMOUNT2, ".", plan.Flags{Value: unix.MNT_DETACH, Name: "MNT_DETACH"})
	b.Call("", unix.SYS_CHDIR, "/")
}
