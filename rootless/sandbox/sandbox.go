// Package sandbox makes and ends what the containers of one Pod share: the namespaces, held by a pause process.
//
// A Pod's pause is a child of the node in a user namespace of its own, P, nested in U with the same ids, and in new net, ipc and
// uts namespaces, and if so wished a pid namespace, that belong to P. A Pod may ask for the host's instead (HostNamespaces): of those its
// pause makes none, and it stays in the node's. So the Pods hold no capability over each other, nor over the image store, while the
// node, which is root of U, holds all of them over every P.
//
//	Start    a Plan: name the host, write the Pod's sysctls, execve(pause); beside it /dev/shm, a tmpfs mounted in M
//	Keep     gives the pause a descriptor to hold open beyond the node's death: its shelf
//	Load     finds, for a new node, the pause that an earlier one started
//	Stop     kills the pause and waits; the kernel takes the namespaces apart when the last container is gone too
//
// The addresses are not the sandbox's matter: the node asks the network for them, with NetworkNamespace in hand.
//
// A pause shares the node's mount and pid namespaces: nothing of the Pod can see it there. Where the Pod's containers share a
// process namespace, or are in the host's, they see it, so there it has a mount namespace of its own with nothing in it.
package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/types"

	"github.com/peapod/peapod/rootless/plan"
	"github.com/peapod/peapod/rootless/state"
	"github.com/peapod/peapod/rootless/userns"
)

// Config says what a Pod's namespaces look like.
type Config struct {
	UID      types.UID
	Hostname string
	Maps     userns.Maps       // of U
	Sysctls  map[string]string // by dotted name; net.* and those of the ipc namespace

	// ShareProcesses gives the Pod a process namespace, whose first process the pause is.
	ShareProcesses bool
	// Host are namespaces that are not made: see HostNamespaces.
	Host uint64
}

// Sandbox is a running pause. It is stored as JSON in the Pod's runtime directory.
type Sandbox struct {
	ID        string
	Process   state.Process
	CreatedAt time.Time

	mu sync.Mutex // over its shelf
}

// atCwd is AT_FDCWD.
const atCwd = 0xffffffffffffff9c

const (
	// shmOptions have the kubelet's runtimes' size of /dev/shm.
	shmOptions = "mode=1777,size=64m"
	// etcOptions bound what containers can write into the files at /etc: the runtime directory is the user's, and often small.
	etcOptions = "mode=700,size=1m,nr_inodes=16"
)

// Start makes the namespaces. On failure nothing is left.
func Start(paths state.Paths, id string, c Config) (s *Sandbox, err error) {
	if err := os.MkdirAll(paths.PodRun(c.UID), 0o700); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = errors.Join(unmount(paths.PodShm(c.UID)), unmount(paths.PodEtc(c.UID)))
		}
	}()
	if c.Host&unix.CLONE_NEWIPC == 0 {
		if err := mountTmpfs(paths.PodShm(c.UID), shmOptions); err != nil {
			return nil, err
		}
	}
	if err := mountTmpfs(paths.PodEtc(c.UID), etcOptions); err != nil {
		return nil, err
	}
	pause, err := plan.Pause()
	if err != nil {
		return nil, err
	}
	shelf, err := newShelf()
	if err != nil {
		return nil, err
	}
	in, out := os.NewFile(uintptr(shelf.in), "shelf"), os.NewFile(uintptr(shelf.out), "shelf")
	defer in.Close()
	defer out.Close()
	created := time.Now()
	pid, err := plan.Run(plan.Start{
		Plan:  compile(c, paths.Staging()),
		Files: map[string]*os.File{"pause": pause.File()},
		Stdio: [3]*os.File{in, out},
	})
	if err != nil {
		return nil, fmt.Errorf("start the pause: %w%s", err, withoutNetwork(err, c))
	}
	process, err := state.NewProcess(pid)
	if err == nil {
		s = &Sandbox{ID: id, Process: process, CreatedAt: created}
		err = state.WriteFile(paths.PodSandbox(c.UID), s)
	}
	if err != nil {
		syscall.Kill(pid, syscall.SIGKILL)
		return nil, err
	}
	return s, nil
}

// withoutNetwork names a way out where there cannot be one more namespace: of network namespaces there are often fewer than of others.
func withoutNetwork(err error, c Config) string {
	if errors.Is(err, unix.ENOSPC) && c.Host&unix.CLONE_NEWNET == 0 {
		return "; a Pod with hostNetwork: true needs no network namespace"
	}
	return ""
}

// compile is the pause's Plan. The host's own /proc/sys shows the parameters of the namespaces that the writer is in.
func compile(c Config, staging string) *plan.Plan {
	p := plan.New()
	p.Call("", unix.SYS_SETSID)
	unshare(p, c.Maps, unix.CLONE_NEWUSER|(unix.CLONE_NEWNET|unix.CLONE_NEWIPC|unix.CLONE_NEWUTS)&^c.Host)
	if c.Host&unix.CLONE_NEWUTS == 0 {
		p.Call("set the hostname", unix.SYS_SETHOSTNAME, c.Hostname, len(c.Hostname))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Sysctls)) {
		value := c.Sysctls[name]
		what := fmt.Sprintf("set sysctl %s to %s", name, value)
		fd := p.Call(what, unix.SYS_OPENAT, plan.Flags{Value: atCwd, Name: "AT_FDCWD"},
			"/proc/sys/"+strings.ReplaceAll(name, ".", "/"), plan.Flags{Value: unix.O_WRONLY | unix.O_CLOEXEC, Name: "O_WRONLY|O_CLOEXEC"}, 0)
		p.Call(what, unix.SYS_WRITE, fd, value, len(value))
		p.Call("", unix.SYS_CLOSE, fd)
	}
	switch {
	case c.ShareProcesses:
		p.Fork("make the Pod's process namespace", unix.CLONE_NEWPID|unix.CLONE_NEWNS|unix.CLONE_VM)
		emptyRoot(p, staging)
	case c.Host&unix.CLONE_NEWPID != 0:
		p.Call("make a mount namespace for the pause", unix.SYS_UNSHARE, plan.NamespaceFlags(unix.CLONE_NEWNS))
		emptyRoot(p, staging)
	}
	p.ExecPause()
	return p
}

// emptyRoot appends what leaves the process no file at all: to containers that see it in their process namespace and have
// CAP_SYS_PTRACE in P, its root and its descriptors are open (proc(5)). The new root is attached to a folder of the host for a moment.
func emptyRoot(p *plan.Plan, staging string) {
	const what = "take the pause's root away"
	fs := p.Call(what, unix.SYS_FSOPEN, "tmpfs", plan.Flags{Value: unix.FSOPEN_CLOEXEC, Name: "FSOPEN_CLOEXEC"})
	p.Call(what, unix.SYS_FSCONFIG, fs, plan.Flags{Value: unix.FSCONFIG_CMD_CREATE, Name: "CMD_CREATE"}, nil, nil, 0)
	root := p.Call(what, unix.SYS_FSMOUNT, fs, plan.Flags{Value: unix.FSMOUNT_CLOEXEC, Name: "FSMOUNT_CLOEXEC"},
		plan.MountFlags(unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC))
	p.Call(what, unix.SYS_MOVE_MOUNT, root, "", plan.Flags{Value: atCwd, Name: "AT_FDCWD"}, staging,
		plan.Flags{Value: unix.MOVE_MOUNT_F_EMPTY_PATH, Name: "F_EMPTY_PATH"})
	p.Call("", unix.SYS_FCHDIR, root)
	p.Call(what, unix.SYS_PIVOT_ROOT, ".", ".") // pivot_root(2), NOTES: the old root lands on top
	p.Call(what, unix.SYS_UMOUNT2, ".", plan.Flags{Value: unix.MNT_DETACH, Name: "MNT_DETACH"})
	p.Call("", unix.SYS_CHDIR, "/")
	p.CloseOnExec()
}

// unshare appends what makes the namespaces. Ids can be mapped only by a process that is left outside, so there is a second one for
// that moment. os/exec would map them too, but for a new user namespace it copies the node's whole address space instead of
// sharing it until the execve, which costs several milliseconds, half of them in the node after its own pages were write-protected.
func unshare(p *plan.Plan, maps userns.Maps, namespaces uint64) {
	const what = "make the Pod's namespaces"
	self := p.Call(what, unix.SYS_OPENAT, plan.Flags{Value: atCwd, Name: "AT_FDCWD"}, "/proc/self",
		plan.Flags{Value: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Name: "O_PATH|O_DIRECTORY|O_CLOEXEC"}, 0)
	unshared := p.Call(what, unix.SYS_EVENTFD2, 0, plan.Flags{Value: unix.EFD_CLOEXEC, Name: "EFD_CLOEXEC"})
	ready := p.Call(what, unix.SYS_EVENTFD2, 0, plan.Flags{Value: unix.EFD_CLOEXEC, Name: "EFD_CLOEXEC"})
	one := []byte{1, 0, 0, 0, 0, 0, 0, 0} // any number but 0 and ~0 will do
	event := p.Room("event", 8)
	mapper := p.Call(what, unix.SYS_CLONE, plan.Flags{Value: uint64(unix.SIGCHLD), Name: "SIGCHLD"}, nil, nil, nil, nil)
	p.WhenZero(mapper, func() {
		p.Call("", unix.SYS_PRCTL, plan.Flags{Value: unix.PR_SET_PDEATHSIG, Name: "PR_SET_PDEATHSIG"}, int(unix.SIGKILL), 0, 0, 0)
		p.Call("", unix.SYS_WRITE, ready, one, len(one))
		p.Call("", unix.SYS_READ, unshared, event, 8)
		for _, m := range []struct {
			file    string
			extents []syscall.SysProcIDMap
		}{{"uid_map", maps.UIDs}, {"gid_map", maps.GIDs}} {
			what := "write the Pod's " + m.file
			fd := p.Call(what, unix.SYS_OPENAT, self, m.file, plan.Flags{Value: unix.O_WRONLY | unix.O_CLOEXEC, Name: "O_WRONLY|O_CLOEXEC"}, 0)
			text := mapText(userns.Nested(m.extents))
			p.Call(what, unix.SYS_WRITE, fd, text, len(text))
		}
		p.Call("", unix.SYS_EXIT_GROUP, 0)
	})
	// Should the next call fail, this process ends, and the other one with it: it must have said that it wants to.
	p.Call("", unix.SYS_READ, ready, event, 8)
	p.Call(what, unix.SYS_UNSHARE, plan.NamespaceFlags(namespaces))
	p.Call(what, unix.SYS_WRITE, unshared, one, len(one))
	status := p.Room("status", 8)
	p.Call(what, unix.SYS_WAIT4, mapper, status, 0, nil)
	p.Check("map the Pod's ids", status, 0xffffffff, 0, int(unix.EPERM))
}

// mapText is an id map as the kernel reads it (user_namespaces(7)).
func mapText(extents []syscall.SysProcIDMap) string {
	var b strings.Builder
	for _, e := range extents {
		fmt.Fprintf(&b, "%d %d %d\n", e.ContainerID, e.HostID, e.Size)
	}
	return b.String()
}

func mountTmpfs(path, options string) error {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if err := unix.Mount("shm", path, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, options); err != nil {
		return &os.PathError{Op: "mount", Path: path, Err: err}
	}
	return nil
}

func unmount(path string) error {
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return &os.PathError{Op: "unmount", Path: path, Err: err}
	}
	return nil
}

// Load finds the sandbox of a Pod. It returns nil if there is none whose pause still runs.
func Load(paths state.Paths, uid types.UID) (*Sandbox, error) {
	s := &Sandbox{}
	if err := state.ReadFile(paths.PodSandbox(uid), s); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	if !s.Process.Alive() {
		return nil, nil
	}
	return s, nil
}

// Open returns a pidfd of the pause, for Plans that join its namespaces and for waiting. The caller closes it.
func (s *Sandbox) Open() (*os.File, error) { return s.Process.Open() }

// NetworkNamespace opens the Pod's network namespace. The caller closes it.
func (s *Sandbox) NetworkNamespace() (*os.File, error) {
	return os.Open(fmt.Sprintf("/proc/%d/ns/net", s.Process.Pid))
}

// Stop ends the pause and takes off /dev/shm. It may be called again, and for a sandbox whose pause is gone.
func (s *Sandbox) Stop(paths state.Paths, uid types.UID) error {
	if err := s.Process.Kill(); err != nil {
		return fmt.Errorf("kill the pause: %w", err)
	}
	return Clean(paths, uid)
}

// Clean takes off /dev/shm and forgets the sandbox, whatever is left of either. Other files of the Pod stay.
func Clean(paths state.Paths, uid types.UID) error {
	for _, dir := range []string{paths.PodShm(uid), paths.PodEtc(uid)} {
		if err := errors.Join(unmount(dir), ignoreMissing(os.Remove(dir))); err != nil {
			return err
		}
	}
	return ignoreMissing(os.Remove(paths.PodSandbox(uid)))
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
