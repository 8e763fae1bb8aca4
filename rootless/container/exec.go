package container

import (
	"errors"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/plan"
	"github.com/peapod/peapod/rootless/state"
)

// Command is a command to run beside a container's first process.
type Command struct {
	Args     []string
	Stdio    [3]*os.File // with Terminal all three are the terminal
	Terminal bool
	Cgroup   *os.File
}

// ErrNotRunning means that a container has no process to join. containerd knows it by this text.
var ErrNotRunning = errors.New("container not running")

// OpenTarget opens a process of a container, for a Plan that joins it.
func OpenTarget(process state.Process) (*os.File, error) {
	target, err := process.Open()
	if errors.Is(err, unix.ESRCH) {
		return nil, ErrNotRunning
	}
	return target, err
}

// User is the id that a container's processes begin with.
func (r *Runtime) User(c *Container) (uint32, error) {
	like, err := r.commonOf(c)
	if err != nil {
		return 0, err
	}
	return like.process.User.UID, nil
}

// commonOf reads the specification of a container that an earlier node has started, once.
func (r *Runtime) commonOf(c *Container) (*common, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.common != nil {
		return c.common, nil
	}
	_, spec, err := r.Load(c.ID)
	if err != nil {
		return nil, err
	}
	rules, err := r.filter(spec.Linux)
	if err != nil {
		return nil, err
	}
	c.common, err = commonFor(spec, rules)
	return c.common, err
}

// Exec starts a command in a running container, with the identity, environment and privileges of its first process. The command is a
// child of the caller, to be waited for by Wait.
func (r *Runtime) Exec(c *Container, cmd Command) (pid int, err error) {
	like, err := r.commonOf(c)
	if err != nil {
		return 0, err
	}
	process := *like.process
	process.Args, process.Terminal = cmd.Args, cmd.Terminal
	if cmd.Terminal {
		process.Env = append([]string{"TERM=xterm"}, process.Env...)
	}
	if c.handler != nil {
		if !c.Process.Alive() {
			return 0, ErrNotRunning
		}
		return r.execBy(c.handler, c.ID, &process, cmd)
	}
	return r.execOwn(c, &process, like, cmd)
}

// execOwn starts a command by a Plan.
func (r *Runtime) execOwn(c *Container, process *specs.Process, like *common, cmd Command) (pid int, err error) {
	target, err := OpenTarget(c.Process)
	if err != nil {
		return 0, err
	}
	defer target.Close()
	p, err := CompileExec(process, like.namespaces, Options{Seccomp: like.filter, LastCapability: r.lastCap, Single: r.single})
	if err != nil {
		return 0, err
	}
	pid, err = plan.Run(plan.Start{Plan: p, Files: map[string]*os.File{targetFD: target}, Stdio: cmd.Stdio, Attr: attributesFor(cmd.Cgroup), Timeout: planTime})
	if errors.Is(err, unix.ESRCH) {
		return 0, ErrNotRunning
	}
	if err != nil {
		return 0, startError(err, cmd.Args[0])
	}
	return pid, nil
}
