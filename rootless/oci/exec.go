package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/peapod/peapod/rootless/container"
	"github.com/peapod/peapod/rootless/plan"
	"github.com/peapod/peapod/rootless/state"
)

// ExecOptions are the arguments of exec. The process is the one in the file Process, else the init's with what is given here.
type ExecOptions struct {
	ID            string
	Process       string
	Args          []string
	Env           []string // in addition
	Cwd, User     string   // User is UID or UID:GID
	Capabilities  []string // in addition, to all sets but the ambient one
	NoNewPrivs    bool
	Terminal      bool
	Detach        bool
	PidFile       string
	ConsoleSocket string
	Stdio         [3]*os.File
}

// Exec runs a process in a running container and, unless Detach is set, waits for it. The code is its exit code, 128+n if signal n ended it.
func (r *Runtime) Exec(o ExecOptions) (code int, err error) {
	c, err := r.load(o.ID)
	if err != nil {
		return 0, err
	}
	if status := r.status(c); status != specs.StateRunning {
		return 0, fmt.Errorf("%w: %s is %s", ErrNotRunning, o.ID, status)
	}
	process, err := o.process(*c.Spec.Process)
	if err != nil {
		return 0, err
	}
	var show *console
	if process.Terminal {
		if show, err = o.openTerminal(c); err != nil {
			return 0, err
		}
		defer o.Stdio[0].Close()
	}
	signals, stop := catch(o.Detach)
	defer stop()
	pid, err := c.join(process, o.Stdio)
	if err != nil {
		return 0, container.StartError(err, process.Args[0])
	}
	if err := writePid(o.PidFile, pid); err != nil || o.Detach {
		return 0, err
	}
	joined, err := state.NewProcess(pid)
	if err != nil {
		return 0, err
	}
	if show != nil {
		o.Stdio[0].Close() // else the master would never see the end
		if err := show.attach(); err != nil {
			return 0, err
		}
		defer show.close()
	}
	exit, err := waitFor(joined, signals)
	if show != nil {
		show.drain()
	}
	return exit.Code, err
}

// process is what to run, by the init's process.
func (o ExecOptions) process(p specs.Process) (*specs.Process, error) {
	if o.Process != "" {
		text, err := os.ReadFile(o.Process)
		if err != nil {
			return nil, err
		}
		p = specs.Process{}
		if err := json.Unmarshal(text, &p); err != nil {
			return nil, fmt.Errorf("decode %s: %w", o.Process, err)
		}
	} else {
		p.Args, p.Terminal, p.OOMScoreAdj, p.ConsoleSize = o.Args, o.Terminal, nil, nil
	}
	p.Env = append(slices.Clone(p.Env), o.Env...)
	if o.Cwd != "" {
		p.Cwd = o.Cwd
	}
	p.NoNewPrivileges = p.NoNewPrivileges || o.NoNewPrivs
	p.Capabilities = withCapabilities(p.Capabilities, o.Capabilities)
	settle(p.Capabilities)
	if err := parseUser(o.User, &p.User); err != nil {
		return nil, err
	}
	var errs []error
	for _, r := range processRules(&p) {
		if r.broken {
			errs = append(errs, refusal(r.field, r.why))
		}
	}
	return &p, errors.Join(errs...)
}

func withCapabilities(c *specs.LinuxCapabilities, more []string) *specs.LinuxCapabilities {
	out := specs.LinuxCapabilities{}
	if c != nil {
		out = *c
	}
	for _, set := range []*[]string{&out.Bounding, &out.Permitted, &out.Effective} {
		*set = append(slices.Clone(*set), more...)
	}
	return &out
}

func parseUser(text string, u *specs.User) error {
	if text == "" {
		return nil
	}
	uid, gid, _ := strings.Cut(text, ":")
	for _, id := range []struct {
		text string
		to   *uint32
	}{{uid, &u.UID}, {gid, &u.GID}} {
		if id.text == "" {
			continue
		}
		n, err := strconv.ParseUint(id.text, 10, 32)
		if err != nil {
			return fmt.Errorf("user %q: expected UID or UID:GID", text)
		}
		*id.to = uint32(n)
	}
	return nil
}

// openTerminal makes a terminal in the container the process's streams. The master goes to the console socket; without one it is returned.
func (o *ExecOptions) openTerminal(c *record) (*console, error) {
	if o.Detach && o.ConsoleSocket == "" {
		return nil, errors.New("exec --detach --tty needs --console-socket to hand the terminal over")
	}
	master, slave, err := container.OpenTerminal(c.Process)
	if err != nil {
		return nil, err
	}
	defer master.Close()
	o.Stdio = [3]*os.File{slave, slave, slave}
	var show *console
	socket := (*os.File)(nil)
	if o.ConsoleSocket != "" {
		socket, err = dialConsole(o.ConsoleSocket)
	} else {
		show, socket, err = newConsole()
	}
	if err != nil {
		slave.Close()
		return nil, err
	}
	defer socket.Close()
	return show, sendFD(socket, master)
}

// join runs a process in the container's namespaces.
func (c *record) join(p *specs.Process, stdio [3]*os.File) (pid int, err error) {
	o, err := planOptions(c.Spec)
	if err != nil {
		return 0, err
	}
	target, err := container.OpenTarget(c.Process)
	if err != nil {
		return 0, err
	}
	defer target.Close()
	namespaces, err := c.foreignNamespaces()
	if err != nil {
		return 0, err
	}
	o.Give = toGive(stdio)
	compiled, err := container.CompileBundleExec(p, namespaces, o)
	if err != nil {
		return 0, err
	}
	return plan.Run(plan.Start{Plan: compiled, Files: map[string]*os.File{container.TargetFD: target}, Stdio: stdio})
}

// foreignNamespaces are those of the init that the caller is not in.
func (c *record) foreignNamespaces() (uint64, error) {
	files := map[specs.LinuxNamespaceType]string{specs.MountNamespace: "mnt", specs.NetworkNamespace: "net"}
	all := uint64(0)
	for kind, flag := range container.NamespaceFlag {
		file := files[kind]
		if file == "" {
			file = string(kind)
		}
		own, err := os.Readlink("/proc/self/ns/" + file)
		if errors.Is(err, os.ErrNotExist) { // a kernel without that type
			continue
		}
		there, thereErr := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", c.Process.Pid, file))
		if err = errors.Join(err, thereErr); err != nil {
			return 0, err
		}
		if own != there {
			all |= flag
		}
	}
	return all, nil
}
