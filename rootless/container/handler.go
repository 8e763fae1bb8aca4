package container

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/plan"
	"github.com/peapod/peapod/rootless/state"
	"github.com/peapod/peapod/rootless/userns"
)

// Another OCI runtime can be asked to run a container: it gets the same bundle, of config.json, in which the pause's namespaces are
// named by path, and the root file system, mounted. It runs in U and M as the interpreter does, and stays in the foreground: what this
// package knows as the container's process is then `crun run`, which passes its streams and its exit status on, and needs the node
// as little as a container does.

// OwnHandler is the name of this package among the runtimes.
const OwnHandler = "peapod"

// handlers are the runtimes that are known, by the name of their program: what each is to be told when it is root of a user namespace
// only. Cgroups are the node's affair: the runtime is started in the container's.
var handlers = map[string]struct {
	options     []string
	hideCgroups bool // where none are delegated
}{
	"crun":  {[]string{"--cgroup-manager=disabled"}, true}, // it refuses hosts with both versions of cgroups
	"runc":  {[]string{"--rootless=true"}, false},          // it wants to see that it must not use them
	"runsc": {[]string{"--ignore-cgroups"}, false},
	"youki": {},
}

// CheckHandler tells whether a runtime can be asked.
func CheckHandler(name string) error {
	if _, known := handlers[name]; !known {
		return fmt.Errorf("no runtime for %q is configured: peapod knows itself (%s), %s", name, OwnHandler, strings.Join(slices.Sorted(maps.Keys(handlers)), ", "))
	}
	if _, err := exec.LookPath(name); err != nil {
		return fmt.Errorf("no runtime for %q is configured: %w", name, err)
	}
	return nil
}

// handler is a runtime, with the directory of its state.
type handler struct{ name, root string }

// handlerOf is the runtime of a container; nil: this package.
func (r *Runtime) handlerOf(name string) *handler {
	if name == "" {
		return nil
	}
	return &handler{name, r.paths.Handler(name)}
}

// argv is a command of the runtime. What goes wrong is written to the log, as JSON.
func (h *handler) argv(log string, args ...string) []string {
	global := append([]string{h.name, "--root", h.root, "--log", log, "--log-format", "json"}, handlers[h.name].options...)
	return append(global, args...)
}

// handlerTime is how long a runtime may take for anything.
const handlerTime = 30 * time.Second

// call runs a command of the runtime to its end.
func (h *handler) call(args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), handlerTime)
	defer cancel()
	argv := h.argv("/dev/stderr", args...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w%s", h.name, args[0], err, lastMessage(out))
	}
	return nil
}

// lastMessage is the last message of a runtime's log, to be added to an error.
func lastMessage(log []byte) string {
	var last string
	for line := range bytes.Lines(log) {
		var entry struct{ Msg string }
		if json.Unmarshal(line, &entry) == nil && entry.Msg != "" {
			last = ": " + strings.TrimSpace(entry.Msg)
		}
	}
	return last
}

// forHandler is the specification as other runtimes take it.
func (r *Runtime) forHandler(spec *specs.Spec, cgroups bool) (*specs.Spec, error) {
	if len(spec.Linux.UIDMappings) > 0 {
		return nil, fmt.Errorf("user %d: without subordinate ids only peapod's own runtime runs containers as another user than root", spec.Process.User.UID)
	}
	if len(spec.Linux.Sysctl) > 0 {
		return nil, errors.New("the number of processes can be bounded for another runtime by cgroups only, and none are delegated")
	}
	other := *spec
	other.Version = "1.0.2" // which all of them know; nothing here is newer
	linux := *spec.Linux
	other.Linux = &linux
	linux.UIDMappings, linux.GIDMappings = mappings(r.maps.UIDs), mappings(r.maps.GIDs) // runc wants to be told, of a namespace that it joins too
	other.Mounts = slices.DeleteFunc(slices.Clone(spec.Mounts), func(m specs.Mount) bool { return m.Type == "cgroup2" && !cgroups })
	return &other, nil
}

// mappings are the ids of a Pod, by those of the namespace that the node and the runtime are in.
func mappings(extents []syscall.SysProcIDMap) (list []specs.LinuxIDMapping) {
	for _, e := range userns.Nested(extents) {
		list = append(list, specs.LinuxIDMapping{ContainerID: uint32(e.ContainerID), HostID: uint32(e.HostID), Size: uint32(e.Size)})
	}
	return list
}

// startBy lets the runtime start a container; pid is that of the runtime, a child of the caller. On failure no process is left.
func (r *Runtime) startBy(h *handler, id string, spec *specs.Spec, s Sources, in inside) (pid int, err error) {
	bundle := r.paths.ContainerRun(id)
	defer func() {
		for _, f := range s.Volumes {
			f.Close()
		}
	}()
	err = errors.Join(os.MkdirAll(h.root, 0o700), attach(s.Root.File, spec.Root.Path), attachVolumes(filepath.Join(bundle, volumesName), spec, s.Volumes))
	if err == nil {
		err = state.WriteFile(r.paths.ContainerConfig(id), spec)
	}
	if err != nil {
		return 0, err
	}
	log, pidFile := filepath.Join(bundle, "runtime.log"), filepath.Join(bundle, pidName)
	pid, err = h.start(h.argv(log, "run", "--bundle", bundle, "--pid-file", pidFile, id), in.stdio, nil, spec.Process.Terminal, s.Cgroup)
	if err != nil {
		return 0, err
	}
	if err := awaitFile(pidFile, pid); err != nil {
		_ = h.call("delete", "--force", id) // of what the runtime may have left
		text, _ := readLimited(log)
		return 0, fmt.Errorf("%s: %w%s", h.name, err, lastMessage(text))
	}
	return pid, nil
}

// pidName is the file of a bundle in which a runtime notes the container's first process.
const pidName = "runtime.pid"

// FirstPid is the id of a container's first process, which Process is not where another runtime stands between.
func (r *Runtime) FirstPid(c *Container) int {
	if c.handler != nil {
		if text, err := readLimited(filepath.Join(r.paths.ContainerRun(c.ID), pidName)); err == nil {
			if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
				return pid
			}
		}
	}
	return c.Process.Pid
}

// start starts the runtime in a session of its own.
func (h *handler) start(argv []string, stdio [3]*os.File, files map[string]*os.File, terminal bool, cgroup *os.File) (pid int, err error) {
	path, err := exec.LookPath(h.name)
	if err != nil {
		return 0, err
	}
	p := plan.New()
	if cgroup == nil && handlers[h.name].hideCgroups {
		hideCgroups(p)
	}
	for name := range files {
		p.Keep(int(p.Inherit(name)))
	}
	p.Execvp([]string{path}, argv, os.Environ())
	attributes := attributesFor(cgroup)
	attributes.Setsid, attributes.Setctty = true, terminal // Ctty 0: stdin
	return plan.Run(plan.Start{Plan: p, Files: files, Stdio: stdio, Attr: attributes})
}

// hideCgroups appends what makes a mount namespace that shows no cgroups.
func hideCgroups(p *plan.Plan) {
	const what = "hide the cgroups"
	p.Call(what, unix.SYS_UNSHARE, plan.NamespaceFlags(unix.CLONE_NEWNS))
	p.Call(what, unix.SYS_MOUNT, nil, "/", nil, plan.Flags{Value: unix.MS_SLAVE | unix.MS_REC, Name: "MS_SLAVE|MS_REC"}, nil)
	p.Call(what, unix.SYS_MOUNT, "none", "/sys/fs/cgroup", "tmpfs", plan.Flags{Value: unix.MS_RDONLY, Name: "MS_RDONLY"}, nil)
}

// awaitFile waits until a child has written a file. One that ends without it, or does not come to it, is gone on return.
func awaitFile(path string, pid int) error {
	for end := time.Now().Add(handlerTime); ; time.Sleep(2 * time.Millisecond) {
		var status syscall.WaitStatus
		if _, err := os.Stat(path); err == nil {
			return nil
		}
		reaped, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
		if err == nil && reaped == pid {
			return fmt.Errorf("it ended with status %d before the container ran", status.ExitStatus())
		}
		if time.Now().After(end) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			_, _ = syscall.Wait4(pid, &status, 0, nil)
			return fmt.Errorf("the container does not run after %v", handlerTime)
		}
	}
}

// attachVolumes mounts volumes in a folder of the bundle and names these places as their sources in the specification. What their own paths
// lead to may be something else by the time the runtime looks.
func attachVolumes(folder string, spec *specs.Spec, volumes map[string]*os.File) error {
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	for i := range spec.Mounts {
		m := &spec.Mounts[i]
		f := volumes[m.Destination]
		if f == nil {
			continue
		}
		m.Source = filepath.Join(folder, strconv.Itoa(i))
		if err := attach(f, m.Source); err != nil {
			return err
		}
	}
	return nil
}

// attach mounts a detached mount at a new path of the host.
func attach(mount *os.File, path string) error {
	var stat unix.Stat_t
	err := unix.Fstat(int(mount.Fd()), &stat)
	switch {
	case err != nil:
	case stat.Mode&unix.S_IFMT == unix.S_IFDIR:
		err = os.Mkdir(path, 0o755)
	default:
		err = os.WriteFile(path, nil, 0o600)
	}
	if err != nil {
		return err
	}
	if err := unix.MoveMount(int(mount.Fd()), "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return &os.PathError{Op: "move_mount", Path: path, Err: err}
	}
	return nil
}

// execBy lets the runtime run a command in a container; pid is that of the runtime, as with startBy.
func (r *Runtime) execBy(h *handler, id string, process *specs.Process, cmd Command) (pid int, err error) {
	text, err := json.Marshal(process)
	if err != nil {
		return 0, err
	}
	f, err := os.CreateTemp(r.paths.ContainerRun(id), "process-*.json")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if _, err := f.Write(text); err != nil {
		return 0, errors.Join(err, os.Remove(f.Name()))
	}
	if err := os.Remove(f.Name()); err != nil { // the runtime gets its descriptor
		return 0, err
	}
	const first = plan.ReportFD + 1 // of what a Plan inherits
	return h.start(h.argv(os.DevNull, "exec", "--process", fmt.Sprintf("/proc/self/fd/%d", first), id), cmd.Stdio,
		map[string]*os.File{"process": f}, cmd.Terminal, cmd.Cgroup)
}

// removeFromHandlers deletes what other runtimes have of a container, and takes off its root file system.
func (r *Runtime) removeFromHandlers(id string) error {
	var errs []error
	for name := range handlers {
		h := r.handlerOf(name)
		if _, err := os.Lstat(filepath.Join(h.root, id)); err == nil {
			errs = append(errs, h.call("delete", "--force", id))
		}
		_ = errors.Join(os.Remove(h.root), os.Remove(filepath.Dir(h.root))) // unless there are more containers in them
	}
	bundle := r.paths.ContainerRun(id)
	volumes, _ := filepath.Glob(filepath.Join(bundle, volumesName, "*"))
	for _, path := range append(volumes, filepath.Join(bundle, rootName)) {
		if err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && err != unix.ENOENT && err != unix.EINVAL {
			errs = append(errs, &os.PathError{Op: "unmount", Path: path, Err: err})
		}
	}
	return errors.Join(errs...)
}

// Names in a bundle at which file systems are mounted for another runtime.
const (
	rootName    = "rootfs"
	volumesName = "volumes"
)

// RootPath is where another runtime finds the root file system of a container.
func (r *Runtime) RootPath(id string) string {
	return filepath.Join(r.paths.ContainerRun(id), rootName)
}

// Signal sends a signal to a container's first process. One that is gone is no error.
func (c *Container) Signal(s syscall.Signal) error {
	if c.handler != nil && c.Process.Alive() {
		err := c.handler.call("kill", c.ID, strconv.Itoa(int(s)))
		if err != nil && !c.Process.Alive() {
			return nil
		}
		return err
	}
	pidfd, err := c.Process.Open()
	if err == unix.ESRCH || pidfd == nil {
		return nil
	}
	defer pidfd.Close()
	if err := unix.PidfdSendSignal(int(pidfd.Fd()), s, nil, 0); err != nil && err != unix.ESRCH {
		return os.NewSyscallError("pidfd_send_signal", err)
	}
	return nil
}

// readLimited reads the beginning of a file.
func readLimited(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 1<<16))
}

// hostStreams makes a terminal of the host what a runtime reads and writes.
func hostStreams(in *inside, out *Streams) error {
	master, slave, err := hostTerminal()
	if err != nil {
		return err
	}
	out.Terminal = master
	return in.all(slave)
}

// hostTerminal makes a terminal of the host, between which and the container's own a runtime copies.
func hostTerminal() (master, slave *os.File, err error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, &os.PathError{Op: "open", Path: "/dev/ptmx", Err: err}
	}
	master = os.NewFile(uintptr(fd), "terminal")
	peer, err := openPeer(fd)
	if err != nil {
		master.Close()
		return nil, nil, err
	}
	return master, os.NewFile(uintptr(peer), "terminal"), nil
}
