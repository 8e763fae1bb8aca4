package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/plan"
	"github.com/peapod/peapod/rootless/seccomp"
	"github.com/peapod/peapod/rootless/state"
	"github.com/peapod/peapod/rootless/userns"
)

// Runtime starts containers. It holds what is the same for all of them.
type Runtime struct {
	paths   state.Paths
	staging string
	lastCap int
	maps    userns.Maps
	single  bool // they have one id

	mu       sync.Mutex
	profiles map[string]*loadedProfile               // by type, path and the capabilities they depend on
	filters  map[*specs.LinuxSeccomp]seccomp.Program // of profiles, compiled
}

// NewRuntime prepares the runtime directory. maps are U's, whose ids Pods have too.
func NewRuntime(paths state.Paths, maps userns.Maps) (*Runtime, error) {
	r := &Runtime{paths: paths, maps: maps, single: maps.Single(), staging: paths.Staging(), profiles: map[string]*loadedProfile{}, filters: map[*specs.LinuxSeccomp]seccomp.Program{}}
	if err := os.MkdirAll(r.staging, 0o700); err != nil {
		return nil, err
	}
	b, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		return nil, err
	}
	r.lastCap, err = strconv.Atoi(strings.TrimSpace(string(b)))
	return r, err
}

// Container is a container that was started. It is stored as JSON in the container's runtime directory.
type Container struct {
	ID        string
	Owner     Owner
	Process   state.Process
	CreatedAt time.Time

	root    *os.File // until KillRemains, where that has work to do
	handler *handler // nil: none but this package

	mu sync.Mutex
	// What commands in it have in common with its first process; nil until known, in a node that has found the container.
	common *common
}

// common is the little of a specification that executing commands needs.
type common struct {
	process    *specs.Process
	namespaces uint64 // that it is in and the node is not
	filter     seccomp.Program
}

func commonFor(spec *specs.Spec, filter seccomp.Program) (*common, error) {
	n, err := namespacesOf(spec.Linux.Namespaces)
	return &common{spec.Process, n.listed, filter}, err
}

// Owner says whose container it is. It is kept with it so that a node that finds a container can tell.
type Owner struct {
	PodUID  string
	Name    string // as the Pod names it
	Attempt int32
	ImageID string
	Handler string // another runtime that runs it; empty: this package
	Cgroup  string // directory; empty if it has none of its own
}

// Root is a mounted root file system that no container has yet.
type Root struct {
	ID   string   // of the container to be
	File *os.File // detached mount
}

// Mount mounts an image's layers, uppermost first, with a fresh upper directory.
func (r *Runtime) Mount(id string, lowers []string) (*Root, error) {
	upper, work := r.paths.ContainerUpper(id), r.paths.ContainerWork(id)
	for _, dir := range []string{upper, work} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	f, err := overlay(lowers, upper, work)
	if err != nil {
		_ = r.removeData(id) // the mount's error says more
		return nil, err
	}
	return &Root{id, f}, nil
}

// Sources of what a container is started with, besides its specification.
type Sources struct {
	Sandbox *os.File // pidfd of the pause
	Target  *os.File // pidfd of the container whose process namespace it joins; nil: none
	Root    *Root
	Owner   Owner
	Cgroup  *os.File // where it starts, if cgroups are delegated
	Stdin   bool     // it reads what is written to Streams.Stdin
	// Volumes are detached mounts by the destinations of the specification's bind mounts. Start closes them.
	Volumes map[string]*os.File
	// Keep is given, by name, what is to outlive this process: see OpenStreams. It may be nil.
	Keep func(name string, f *os.File)
}

func (s Sources) keep(files map[string]*os.File) {
	for name, f := range files {
		if s.Keep != nil && f != nil {
			s.Keep(name, f)
		}
	}
}

// Start runs a container's first process, a child of the caller, to be waited for by Wait. On failure no process is left, and of
// files what Remove removes.
func (r *Runtime) Start(id string, spec *specs.Spec, s Sources) (c *Container, streams Streams, err error) {
	if err := os.MkdirAll(r.paths.ContainerRun(id), 0o700); err != nil {
		return nil, streams, err
	}
	in, streams, err := r.makeStreams(id, spec, s.Stdin, s.Owner.Handler != "")
	if err != nil {
		return nil, streams, err
	}
	defer in.close()
	s.keep(streams.byName()) // before the container runs: nothing of it is lost when this process dies
	if c, err = r.start(id, spec, s, in); err != nil {
		streams.Close()
		return nil, streams, err
	}
	if pidfd, err := c.Process.Open(); err == nil {
		s.keep(map[string]*os.File{keptProcess: pidfd})
		pidfd.Close()
	}
	return c, streams, nil
}

func (r *Runtime) start(id string, spec *specs.Spec, s Sources, in inside) (c *Container, err error) {
	c = &Container{ID: id, Owner: s.Owner, CreatedAt: time.Now(), handler: r.handlerOf(s.Owner.Handler)}
	var pid int
	var rules seccomp.Program
	if c.handler != nil {
		if spec, err = r.forHandler(spec, s.Cgroup != nil); err == nil {
			pid, err = r.startBy(c.handler, id, spec, s, in)
		}
	} else if rules, err = r.filter(spec.Linux); err == nil {
		pid, err = r.startOwn(spec, rules, s, in)
	}
	if err != nil {
		return nil, err
	}
	if c.common, err = commonFor(spec, rules); err == nil {
		err = c.hold(int(s.Root.File.Fd()), spec)
	}
	if err != nil {
		syscall.Kill(pid, syscall.SIGKILL)
		return nil, err
	}
	return r.started(c, pid, spec)
}

// planTime is how long a Plan may take that comes into a Pod, where it can be stopped: the kubelet's runtimeRequestTimeout.
const planTime = 2 * time.Minute

// startOwn starts a container's first process by a Plan.
func (r *Runtime) startOwn(spec *specs.Spec, rules seccomp.Program, s Sources, in inside) (pid int, err error) {
	p, err := Compile(spec, Options{Staging: r.staging, Seccomp: rules, LastCapability: r.lastCap, Single: r.single, Target: s.Target != nil})
	if err != nil {
		return 0, err
	}
	files := map[string]*os.File{sandboxFD: s.Sandbox, targetFD: s.Target, rootFD: s.Root.File, devptsFD: in.devpts}
	defer closeBinds(files)
	for destination, f := range s.Volumes {
		files[bindFD+destination] = f
	}
	if err := openBinds(files, spec.Mounts); err != nil {
		return 0, err
	}
	pid, err = plan.Run(plan.Start{Plan: p, Files: files, Stdio: in.stdio, Attr: attributesFor(s.Cgroup), Timeout: planTime})
	if err != nil {
		return 0, startError(err, spec.Process.Args[0])
	}
	return pid, nil
}

// started notes a container for the next node.
func (r *Runtime) started(c *Container, pid int, spec *specs.Spec) (*Container, error) {
	process, err := state.NewProcess(pid)
	if err != nil {
		return nil, err
	}
	c.Process = process
	// The order matters to a node that dies in between: a container without state.json is found by its bundle and killed.
	if err := errors.Join(state.WriteFile(r.paths.ContainerConfig(c.ID), spec), state.WriteFile(r.paths.ContainerState(c.ID), c)); err != nil {
		syscall.Kill(pid, syscall.SIGKILL)
		return nil, err
	}
	return c, nil
}

func attributesFor(cgroup *os.File) *syscall.SysProcAttr {
	if cgroup == nil {
		return &syscall.SysProcAttr{}
	}
	return &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(cgroup.Fd())}
}

// startError says what a user can do about a Plan that failed at execve.
func startError(err error, program string) error {
	var e *plan.Error
	if !errors.As(err, &e) || !strings.HasPrefix(e.Act, "exec ") {
		return err
	}
	if errors.Is(err, unix.ENOENT) && !strings.Contains(program, "/") {
		return fmt.Errorf("exec: %q: executable file not found in $PATH", program)
	}
	if errors.Is(err, unix.ENOEXEC) {
		return fmt.Errorf("exec: %q: %w (is the image for another architecture than %s?)", program, e.Err, runtime.GOARCH)
	}
	return fmt.Errorf("exec: %q: %w", program, e.Err)
}

func openBinds(files map[string]*os.File, mounts []specs.Mount) error {
	for _, m := range mounts {
		if m.Type != "bind" || files[bindFD+m.Destination] != nil {
			continue
		}
		f, err := OpenTree(m.Source, 0)
		if err != nil {
			return fmt.Errorf("mount %s: %w", m.Destination, err)
		}
		files[bindFD+m.Destination] = f
	}
	return nil
}

func closeBinds(files map[string]*os.File) {
	for name, f := range files {
		if strings.HasPrefix(name, bindFD) {
			f.Close()
		}
	}
}

// Load reads what Start noted of a container.
func (r *Runtime) Load(id string) (*Container, *specs.Spec, error) {
	c, spec := &Container{}, &specs.Spec{}
	if err := state.ReadFile(r.paths.ContainerState(id), c); err != nil {
		return nil, nil, err
	}
	c.handler = r.handlerOf(c.Owner.Handler)
	return c, spec, state.ReadFile(r.paths.ContainerConfig(id), spec)
}

// Remove deletes everything of a container whose processes have ended.
func (r *Runtime) Remove(id string) error {
	if err := r.removeFromHandlers(id); err != nil { // its root file system may still be mounted
		return err
	}
	return errors.Join(os.RemoveAll(r.paths.ContainerRun(id)), r.removeData(id))
}

// removeData deletes the upper and work directories. Overlay leaves a folder without any permission in work, and the
// container may have left more of that kind, but the node is root of the user namespace they are in.
func (r *Runtime) removeData(id string) error {
	return os.RemoveAll(filepath.Clean(r.paths.ContainerData(id)))
}
