package container

import (
	"errors"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/plan"
)

// Command is a command to run beside a container's first process.
type Command struct {
	Args     []string
	Stdio    [3]*os.File // with Terminal all three are the terminal
	Terminal bool
	Cgroup   *os.File
}

// ErrNotRunning means that a container has no process to join.
var ErrNotRunning = errors.New("container is not running")

// Exec starts a command in a running container, with the identity, environment and privileges of its first process. The command is a
// child of the caller, to be waited for by Wait.
func (r *Runtime) Exec(c *Container, spec *specs.Spec, cmd Command) (pid int, err error) {
	target, err := c.Process.Open()
	if errors.Is(err, unix.ESRCH) {
		return 0, ErrNotRunning
	}
	if err != nil {
		return 0, err
	}
	defer target.Close()
	process := *spec.Process
	process.Args, process.Terminal = cmd.Args, cmd.Terminal
	if cmd.Terminal {
		process.Env = append([]string{"TERM=xterm"}, process.Env...)
	}
	rules, err := filter(spec.Linux)
	if err != nil {
		return 0, err
	}
	p, err := CompileExec(&process, Options{Seccomp: rules, LastCapability: r.lastCap})
	if err != nil {
		return 0, err
	}
	pid, err = plan.Run(plan.Start{Plan: p, Files: map[string]*os.File{targetFD: target}, Stdio: cmd.Stdio, Attr: attributesFor(cmd.Cgroup)})
	if errors.Is(err, unix.ESRCH) {
		return 0, ErrNotRunning
	}
	if err != nil {
		return 0, startError(err, cmd.Args[0])
	}
	return pid, nil
}
