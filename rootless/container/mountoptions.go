package container

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// mountOptions are the options of a bundle's mount, by what they become.
type mountOptions struct {
	bind, recursive  bool     // a bind mount; with all that is mounted below its source
	set, clear       uint64   // attributes of the mount (mount_setattr(2))
	setAll, clearAll uint64   // the same for all mounts below too
	propagation      uint64   // 0: as it is
	propagateAll     bool     // all mounts below too
	data             []string // options of the file system itself; for a bind mount the kernel has no use for them (mount(2))
}

// attributeOptions are the mount options that are attributes: what each sets and clears (mount(8), runtime-spec, "Linux mount options").
var attributeOptions = map[string]struct{ set, clear uint64 }{
	"ro": {unix.MOUNT_ATTR_RDONLY, 0}, "rw": {0, unix.MOUNT_ATTR_RDONLY},
	"nosuid": {unix.MOUNT_ATTR_NOSUID, 0}, "suid": {0, unix.MOUNT_ATTR_NOSUID},
	"nodev": {unix.MOUNT_ATTR_NODEV, 0}, "dev": {0, unix.MOUNT_ATTR_NODEV},
	"noexec": {unix.MOUNT_ATTR_NOEXEC, 0}, "exec": {0, unix.MOUNT_ATTR_NOEXEC},
	"nodiratime": {unix.MOUNT_ATTR_NODIRATIME, 0}, "diratime": {0, unix.MOUNT_ATTR_NODIRATIME},
	"nosymfollow": {unix.MOUNT_ATTR_NOSYMFOLLOW, 0}, "symfollow": {0, unix.MOUNT_ATTR_NOSYMFOLLOW},
	// The kinds of access time exclude each other, so the kernel wants all of them cleared first.
	"noatime": {unix.MOUNT_ATTR_NOATIME, unix.MOUNT_ATTR__ATIME}, "strictatime": {unix.MOUNT_ATTR_STRICTATIME, unix.MOUNT_ATTR__ATIME},
	"relatime": {unix.MOUNT_ATTR_RELATIME, unix.MOUNT_ATTR__ATIME},
	"atime":    {unix.MOUNT_ATTR_RELATIME, unix.MOUNT_ATTR__ATIME}, "norelatime": {unix.MOUNT_ATTR_RELATIME, unix.MOUNT_ATTR__ATIME},
	"nostrictatime": {unix.MOUNT_ATTR_RELATIME, unix.MOUNT_ATTR__ATIME},
}

// propagations are the kinds of propagation (mount_namespaces(7)).
var propagations = map[string]uint64{
	"shared": unix.MS_SHARED, "slave": unix.MS_SLAVE, "private": unix.MS_PRIVATE, "unbindable": unix.MS_UNBINDABLE,
}

// defaultOptions say what is so anyway. A bind mount of something read-only stays read-only with rw, as it does under other
// runtimes; instances of devpts are always new ones since Linux 4.7.
var defaultOptions = []string{"defaults", "rw", "async", "loud", "silent", "nomand", "nolazytime", "noiversion", "newinstance"}

// refusedOptions are those of other runtimes that would otherwise reach a file system that knows nothing of them.
var refusedOptions = []string{"idmap", "ridmap", "tmpcopyup", "copy-symlink", "remount"}

// MountOptions lists the options with a meaning of their own, sorted; others are the file system's.
func MountOptions() []string {
	names := append(slices.Clone(defaultOptions), "bind", "rbind")
	for name := range attributeOptions {
		names = append(names, name, "r"+name)
	}
	for name := range propagations {
		names = append(names, name, "r"+name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// AllCapabilities lists the capabilities by number.
func AllCapabilities() []string { return allCapabilities() }

// NamespaceTypes lists the types of namespaces, sorted.
func NamespaceTypes() []string {
	var names []string
	for kind := range maps.Keys(NamespaceFlag) {
		names = append(names, string(kind))
	}
	slices.Sort(names)
	return names
}

func parseMountOptions(m specs.Mount) (o mountOptions, err error) {
	o.bind = m.Type == "bind"
	for _, name := range m.Options {
		switch {
		case name == "bind" || name == "rbind":
			o.bind, o.recursive = true, o.recursive || name == "rbind"
		case slices.Contains(defaultOptions, name) || strings.HasPrefix(name, "x-"):
		case slices.Contains(refusedOptions, name):
			return o, fmt.Errorf("option %q is not supported", name)
		case o.attribute(name) || o.propagate(name):
		default:
			o.data = append(o.data, name)
		}
	}
	switch {
	case o.bind && m.Source == "":
		err = fmt.Errorf("a bind mount needs a source")
	case !o.bind && (m.Type == "" || m.Type == "none"):
		err = fmt.Errorf("it has no type")
	case len(m.UIDMappings)+len(m.GIDMappings) > 0:
		err = fmt.Errorf("uidMappings and gidMappings of a mount are not supported")
	}
	return o, err
}

// attribute takes an option that is an attribute, later ones going before earlier ones.
func (o *mountOptions) attribute(name string) bool {
	set, clear := &o.set, &o.clear
	a, ok := attributeOptions[name]
	if !ok {
		if a, ok = attributeOptions[strings.TrimPrefix(name, "r")]; !ok {
			return false
		}
		set, clear = &o.setAll, &o.clearAll
	}
	*set = *set&^a.clear | a.set
	*clear = *clear&^a.set | a.clear
	return true
}

func (o *mountOptions) propagate(name string) bool {
	kind, ok := propagations[name]
	all := false
	if !ok {
		kind, ok = propagations[strings.TrimPrefix(name, "r")]
		all = true
	}
	if ok {
		o.propagation, o.propagateAll = kind, all
	}
	return ok
}
