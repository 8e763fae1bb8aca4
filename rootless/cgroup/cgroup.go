package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// nodeName is the leaf that the node lives in.
const nodeName = "node"

// A Manager owns a delegated subtree.
type Manager struct{ root Group }

// Enter moves all processes of the root, the caller among them, to the leaf of the node, and lets the root's
// children have controllers. Doing it again does nothing.
func (m *Manager) Enter() error {
	leaf := filepath.Join(m.root.dir, nodeName)
	if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	// Processes may be born meanwhile.
	for range 10 {
		pids, err := processes(m.root.dir)
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			return m.root.delegate()
		}
		for _, pid := range pids {
			if err := write(leaf, "cgroup.procs", pid); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
	}
	return fmt.Errorf("move processes of %s: new ones keep coming", m.root.dir)
}

// Create makes a Pod's group, or takes the one that is there, and sets its limits.
func (m *Manager) Create(name string, l Limits) (*Group, error) { return m.root.Create(name, l) }

// Adopt is the group at a directory, which may be one of an earlier node's root, with the controllers that groups of this root have.
func (m *Manager) Adopt(dir string) *Group { return &Group{dir, m.root.controllers} }

// Limits tells whether the groups can have limits of a controller.
func (m *Manager) Limits(controller string) bool {
	return slices.Contains(m.root.controllers, controller)
}

// A Group is a cgroup below the root. The directory is all there is to it; nothing is kept in memory.
type Group struct {
	dir         string
	controllers []string // that its settings can use
}

// Group is a child of that name.
func (g *Group) Group(name string) *Group {
	return &Group{filepath.Join(g.dir, name), g.controllers}
}

// Create makes a child, or takes the one that is there, and sets its limits. Then g can have no process of its own.
func (g *Group) Create(name string, l Limits) (*Group, error) {
	if name == "" || name[0] == '.' || strings.ContainsAny(name, "/\n") || name == nodeName {
		return nil, fmt.Errorf("cgroup %q: not a name for a group", name)
	}
	if err := g.delegate(); err != nil {
		return nil, err
	}
	child := g.Group(name)
	if err := os.Mkdir(child.dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	return child, child.Set(l)
}

// delegate hands the controllers to g's children.
func (g *Group) delegate() error {
	if len(g.controllers) == 0 {
		return nil
	}
	return write(g.dir, "cgroup.subtree_control", "+"+strings.Join(g.controllers, " +"))
}

// Set changes the limits. One whose controller was not handed over is an error, once all others are set.
func (g *Group) Set(l Limits) error {
	var errs []error
	for _, s := range l.settings() {
		if slices.Contains(g.controllers, s.controller) {
			errs = append(errs, write(g.dir, s.file, s.value))
		} else if s.asked {
			errs = append(errs, fmt.Errorf("set %s of %s: controller %s was not delegated", s.file, g.dir, s.controller))
		}
	}
	return errors.Join(errs...)
}

// Open opens the group's directory for CLONE_INTO_CGROUP (syscall.SysProcAttr.CgroupFD).
func (g *Group) Open() (*os.File, error) {
	return os.OpenFile(g.dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}

// Kill kills all processes of the group and of those below it. Linux ≥ 5.14.
func (g *Group) Kill() error {
	err := write(g.dir, "cgroup.kill", "1")
	if errors.Is(err, os.ErrNotExist) {
		if _, gone := os.Stat(g.dir); gone != nil {
			return nil
		}
	}
	return err
}

// Remove removes the group and those below it. Processes that have been killed may take a moment to leave; it waits
// up to a second. A group that is gone is no error.
func (g *Group) Remove() error {
	entries, err := os.ReadDir(g.dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := g.Group(e.Name()).Remove(); err != nil {
				return err
			}
		}
	}
	for wait := time.Millisecond; ; wait *= 2 {
		err = unix.Rmdir(g.dir)
		if err == nil || err == unix.ENOENT {
			return nil
		}
		if err != unix.EBUSY || wait > time.Second/2 {
			return &os.PathError{Op: "rmdir", Path: g.dir, Err: err}
		}
		time.Sleep(wait)
	}
}

// Existing is the group at a directory, which may be one of an earlier node's root, to be looked at and ended.
func Existing(dir string) *Group { return &Group{dir: dir} }

// OOMKills counts processes of the group, and of those below it, that the kernel killed because of memory.max.
func (g *Group) OOMKills() (int64, error) {
	text, err := os.ReadFile(filepath.Join(g.dir, "memory.events"))
	if err != nil {
		return 0, err
	}
	return oomKills(string(text))
}

// Memory is how many bytes the group and those below it use.
func (g *Group) Memory() (int64, error) {
	text, err := os.ReadFile(filepath.Join(g.dir, "memory.current"))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}

func oomKills(events string) (int64, error) {
	for line := range strings.Lines(events) {
		if n, ok := strings.CutPrefix(line, "oom_kill "); ok {
			return strconv.ParseInt(strings.TrimSpace(n), 10, 64)
		}
	}
	return 0, errors.New("memory.events: no oom_kill")
}

func processes(dir string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	return strings.Fields(string(text)), err
}

func write(dir, file, value string) error {
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteString(value); err != nil {
		return fmt.Errorf("%w (writing %q)", err, value)
	}
	return nil
}
