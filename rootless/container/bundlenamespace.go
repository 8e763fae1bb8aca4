package container

import (
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/plan"
)

// NamespaceFlag is the number of each type of namespace (clone(2)).
var NamespaceFlag = map[specs.LinuxNamespaceType]uint64{
	specs.UserNamespace: unix.CLONE_NEWUSER, specs.MountNamespace: unix.CLONE_NEWNS, specs.PIDNamespace: unix.CLONE_NEWPID,
	specs.NetworkNamespace: unix.CLONE_NEWNET, specs.IPCNamespace: unix.CLONE_NEWIPC, specs.UTSNamespace: unix.CLONE_NEWUTS,
	specs.CgroupNamespace: unix.CLONE_NEWCGROUP, specs.TimeNamespace: unix.CLONE_NEWTIME,
}

// bundleNamespaces are the namespaces of a specification: those to join, in its order, and those to make.
type bundleNamespaces struct {
	joined []specs.LinuxNamespaceType
	made   uint64
	listed uint64 // both
}

func namespacesOf(list []specs.LinuxNamespace) (n bundleNamespaces, err error) {
	for _, l := range list {
		flag, ok := NamespaceFlag[l.Type]
		switch {
		case !ok:
			return n, fmt.Errorf("namespace of unknown type %q", l.Type)
		case n.listed&flag != 0:
			return n, fmt.Errorf("namespace %s is listed twice", l.Type)
		case l.Path != "":
			n.joined = append(n.joined, l.Type)
		default:
			n.made |= flag
		}
		n.listed |= flag
	}
	if n.made&unix.CLONE_NEWNS == 0 {
		return n, fmt.Errorf("a mount namespace of its own is needed: in one that is shared, pivot_root would take away other processes' root")
	}
	return n, nil
}

// owns tells whether the container has a new namespace of a type.
func (n bundleNamespaces) owns(kind specs.LinuxNamespaceType) bool {
	return n.made&NamespaceFlag[kind] != 0
}

// inherits tells whether the container stays in the caller's namespace of a type.
func (n bundleNamespaces) inherits(kind specs.LinuxNamespaceType) bool {
	return n.listed&NamespaceFlag[kind] == 0
}

// joinAndMake appends the way into the namespaces and ends in the process that is in all of them. A user namespace to be joined comes
// first, as the others belong to it; one to be made comes last, as it owns only what is made after it.
func (b *builder) joinAndMake(n bundleNamespaces) {
	join := func(kind specs.LinuxNamespaceType) {
		b.Call(fmt.Sprintf("join the %s namespace", kind), unix.SYS_SETNS, b.Inherit(NamespaceFD+string(kind)), plan.NamespaceFlags(NamespaceFlag[kind]))
	}
	for _, kind := range n.joined {
		if kind == specs.UserNamespace {
			join(kind)
		}
	}
	for _, kind := range n.joined {
		if kind != specs.UserNamespace {
			join(kind)
		}
	}
	if n.owns(specs.UserNamespace) {
		b.Call("make a user namespace", unix.SYS_UNSHARE, plan.NamespaceFlags(unix.CLONE_NEWUSER))
		// The maps of a process that is not dumpable are root's. Nobody of the container's namespaces is here yet.
		b.stop(true, "map the ids of the user namespace", b.Inherit(MapsDoneFD), func() {
			b.Tell(b.Inherit(MapsReadyFD), b.Call("", unix.SYS_GETPID))
		})
	}
	if n.owns(specs.TimeNamespace) {
		// clone(2) has no flag for it, its bit being one of the signal's; children will be in it.
		b.Call("make a time namespace", unix.SYS_UNSHARE, plan.NamespaceFlags(unix.CLONE_NEWTIME))
	}
	b.Fork("make the container's namespaces", uintptr(n.made&^(unix.CLONE_NEWUSER|unix.CLONE_NEWTIME)))
	b.Call("", unix.SYS_SETSID)
}

// setUpNamespaces names the host and raises the loopback interface where they are new.
func (b *builder) setUpNamespaces(n bundleNamespaces, spec *specs.Spec, keyring string) {
	if keyring != "" {
		// Without it keys of the caller's session could be reached. Kernels without keys have none to reach.
		b.Try(unix.SYS_KEYCTL, plan.Flags{Value: unix.KEYCTL_JOIN_SESSION_KEYRING, Name: "KEYCTL_JOIN_SESSION_KEYRING"}, keyring)
	}
	if spec.Hostname != "" {
		b.Call("set the hostname", unix.SYS_SETHOSTNAME, spec.Hostname, len(spec.Hostname))
	}
	if spec.Domainname != "" {
		b.Call("set the domain name", unix.SYS_SETDOMAINNAME, spec.Domainname, len(spec.Domainname))
	}
	if n.owns(specs.NetworkNamespace) {
		b.loopback()
	}
	if !n.owns(specs.UserNamespace) {
		// In a mount namespace of the same owner mounts would spread to where it was copied from (mount_namespaces(7)).
		b.Call("make the mounts slaves of the host's", unix.SYS_MOUNT, nil, "/", nil, plan.Flags{Value: unix.MS_SLAVE | unix.MS_REC, Name: "MS_SLAVE|MS_REC"}, nil)
	}
}

// loopback raises lo (netdevice(7)). A kernel without IPv4 is left as it is.
func (b *builder) loopback() {
	request := make([]byte, 40) // struct ifreq: name, flags
	copy(request, "lo")
	request[unix.IFNAMSIZ] = unix.IFF_UP
	b.When(b.Try(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0), func() {
		socket := b.Last()
		b.Call("raise the loopback interface", unix.SYS_IOCTL, socket, plan.Flags{Value: unix.SIOCSIFFLAGS, Name: "SIOCSIFFLAGS"},
			plan.Described{Bytes: request, Text: "{lo, IFF_UP}"})
		b.Call("", unix.SYS_CLOSE, socket)
	})
}

// becomeRoot makes what is created from now on root's. In a user namespace without id 0 it stays the caller's.
func (b *builder) becomeRoot() {
	b.Try(unix.SYS_SETRESGID, 0, 0, 0)
	b.Try(unix.SYS_SETRESUID, 0, 0, 0)
}
