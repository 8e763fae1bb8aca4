package container

import (
	"fmt"
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/plan"
)

// BundleOptions are what the Plan of a bundle depends on besides its specification.
type BundleOptions struct {
	Options
	// Root is the host path of the root file system. It is attached to where it is for the moment before pivot_root, so
	// Staging is not used.
	Root string
	// Wait: the process stops before it becomes the user's, until a byte can be read from StartFD. From there on the Plan reports on ReportFD.
	Wait bool
	// Hooks: the process stops before pivot_root, tells so on HooksReadyFD and goes on when a byte can be read from HooksDoneFD.
	Hooks bool
	// Give are the standard streams that become the user's, as programs reopen them through /dev/stdout.
	Give []int
	// Keyring: the process gets a session keyring of its own by that name; none if empty.
	Keyring string
}

// Names under which the Plan of a bundle inherits descriptors. Namespaces that are joined are NamespaceFD and their type.
const (
	NamespaceFD  = "namespace:"
	MapsReadyFD  = "maps-ready" // written to: the pid whose user namespace waits for its maps, 8 bytes
	MapsDoneFD   = "maps-done"
	HooksReadyFD = "hooks-ready" // written to: one byte
	HooksDoneFD  = "hooks-done"
	StartFD      = "start"
	ReportFD     = "report"  // written to, as plan.ReportFD is
	ConsoleFD    = "console" // unix socket to which the terminal's master goes
)

// CompileBundle turns the specification of a bundle into the Plan that starts it. In contrast to Compile, which starts the container of a
// Pod in the namespaces of its pause, it makes or joins the namespaces that the specification lists; the root file system and
// the sources of bind mounts are found by their paths, by a process that is in the new mount namespace already but still
// has the caller's identity. All that concerns the inside of the container is the same.
//
// The specification must have process, root and linux, with a mount namespace of its own.
func CompileBundle(spec *specs.Spec, o BundleOptions) (*plan.Plan, error) {
	b := &builder{Plan: plan.New(), options: o.Options, mounted: map[string]any{}}
	n, err := namespacesOf(spec.Linux.Namespaces)
	if err != nil {
		return nil, err
	}
	b.hide()
	b.joinAndMake(n)
	b.setUpNamespaces(n, spec, o.Keyring)
	sources, err := b.takeSources(o.Root, spec.Mounts)
	if err != nil {
		return nil, err
	}
	b.Call("attach the root file system", unix.SYS_MOVE_MOUNT, b.root, "", atFDCWD, o.Root,
		plan.Flags{Value: unix.MOVE_MOUNT_F_EMPTY_PATH, Name: "F_EMPTY_PATH"})
	b.becomeRoot()
	if err := b.fill(spec, n, sources); err != nil {
		return nil, err
	}
	if spec.Process.Terminal {
		if err := b.terminal(spec.Process); err != nil {
			return nil, err
		}
	} else {
		b.giveStreams(o.Give, spec.Process.User.UID)
	}
	if o.Hooks {
		b.stop(n.owns(specs.PIDNamespace), "wait for the hooks", b.Inherit(HooksDoneFD), func() {
			b.Call("", unix.SYS_WRITE, b.Inherit(HooksReadyFD), "h", 1)
		})
	}
	b.pivot()
	if err := b.propagateRoot(spec.Linux.RootfsPropagation); err != nil {
		return nil, err
	}
	if o.Wait {
		b.stop(n.owns(specs.PIDNamespace), "wait for the start", b.Inherit(StartFD), func() {
			// The writing end of the first report pipe is gone by that, which tells the caller that all is set up.
			b.Call("", unix.SYS_DUP3, b.Inherit(ReportFD), plan.ReportFD, plan.Flags{Value: unix.O_CLOEXEC, Name: "O_CLOEXEC"})
		})
	}
	return b.Plan, b.process(spec.Process, b.root)
}

// fill mounts everything.
func (b *builder) fill(spec *specs.Spec, n bundleNamespaces, sources []any) error {
	for i, m := range spec.Mounts {
		if err := b.bundleMount(m, sources[i], n); err != nil {
			return fmt.Errorf("mount %s: %w", m.Destination, err)
		}
	}
	more, err := b.bundleDevices(spec.Linux.Devices)
	if err != nil {
		return err
	}
	b.devices(more)
	if err := b.sysctls(spec.Linux.Sysctl); err != nil {
		return err
	}
	if spec.Process.OOMScoreAdj != nil && b.mounted["/proc"] == nil {
		return fmt.Errorf("process.oomScoreAdj needs a procfs on /proc")
	}
	b.adjustOOM(spec.Process.OOMScoreAdj)
	b.mask(spec.Linux.MaskedPaths)
	b.protect(spec.Linux.ReadonlyPaths)
	if spec.Root.Readonly {
		b.setAttributes("make the root file system read-only", b.root, unix.MOUNT_ATTR_RDONLY)
	}
	return nil
}

// stop appends a meeting point: tell lets the other side know, then the process waits for a byte. Descriptors of the host are open
// meanwhile, so only where nobody else is in its pid namespace may others look at it, as hooks and debuggers want to.
func (b *builder) stop(alone bool, what string, done plan.FD, tell func()) {
	dumpable := func(yes int) {
		if alone {
			b.Call("", unix.SYS_PRCTL, plan.Flags{Value: unix.PR_SET_DUMPABLE, Name: "PR_SET_DUMPABLE"}, yes, 0, 0, 0)
		}
	}
	dumpable(1)
	tell()
	b.awaitByte(what, done)
	dumpable(0)
}

// awaitByte reads a byte, which must not be zero. End of file means that the other side has given up.
func (b *builder) awaitByte(what string, fd plan.FD) {
	room := b.Room("byte", 8)
	b.Call(what, unix.SYS_READ, fd, room, 1)
	b.Check(what, room, firstByteMask(), firstByte(1), int(unix.ECANCELED))
}

// bundleDevices are the devices of the specification beside the default ones. A user namespace must not make device nodes, so
// each is the host's file of that path, and type and numbers must be those.
func (b *builder) bundleDevices(devices []specs.LinuxDevice) (more []specs.LinuxDevice, err error) {
	for _, d := range devices {
		d.Path = path.Clean(d.Path)
		if slices.ContainsFunc(deviceNodes, func(have deviceNode) bool { return d.Path == "/dev/"+have.name }) {
			continue
		}
		switch {
		case d.Type != "c" && d.Type != "u":
			return nil, fmt.Errorf("device %s: type %q: only character devices of the host can be had", d.Path, d.Type)
		case !strings.HasPrefix(d.Path, "/dev/") || b.mounted["/dev"] == nil:
			return nil, fmt.Errorf("device %s: it must be in /dev, with a tmpfs mounted there", d.Path)
		}
		more = append(more, d)
	}
	return more, nil
}

// CompileBundleExec returns the Plan that runs a process in a running container, of whose namespaces it joins the given
// ones: all those that the caller is not in already. Of the options only Options and Give count.
func CompileBundleExec(p *specs.Process, namespaces uint64, o BundleOptions) (*plan.Plan, error) {
	b := &builder{Plan: plan.New(), options: o.Options}
	b.hide()
	b.Call("join the container's namespaces", unix.SYS_SETNS, b.Inherit(targetFD), plan.NamespaceFlags(namespaces))
	b.becomeRoot()
	b.Fork("enter the container's pid namespace", 0)
	b.Call("", unix.SYS_SETSID)
	if p.Terminal {
		b.takeTerminal()
	}
	b.giveStreams(o.Give, p.User.UID)
	root := b.Call("", unix.SYS_OPENAT, atFDCWD, "/", plan.Flags{Value: pathFlags | unix.O_DIRECTORY, Name: "O_PATH|O_DIRECTORY|O_CLOEXEC"}, 0)
	return b.Plan, b.process(p, root)
}

// TargetFD is the name of the pidfd that the Plan of CompileBundleExec inherits.
const TargetFD = targetFD

// StartError says what a user can do about a Plan that failed at the execve of a program.
func StartError(err error, program string) error { return startError(err, program) }
