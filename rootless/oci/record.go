package oci

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/plan"
	"github.com/peapod/peapod/rootless/state"
)

// Runtime is a folder with the records of containers.
type Runtime struct{ root string }

// New uses root, which is made when it is needed. It must be closed to other users.
func New(root string) *Runtime { return &Runtime{root} }

// Files of a record.
const (
	recordName = "state.json"
	startName  = "start"  // FIFO: the init waits for a byte; there as long as the container is in state created
	reportName = "report" // FIFO: the init's report from its start to its execve
)

// record is what later calls need to know. It is stored as JSON. The specification is kept as it was at create: changes to config.json
// have no effect later.
type record struct {
	ID, Bundle string
	Created    time.Time
	Process    state.Process // zero while the container is being created
	Spec       *specs.Spec
	Acts       plan.Acts `json:",omitempty"` // of the Plan, to tell why it failed after start
}

// validID tells whether an id can be a folder's name: letters, digits and _+.- as other runtimes have it.
func validID(id string) bool {
	const others = "_+.-"
	return id != "" && id != "." && id != ".." && !strings.ContainsFunc(id, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune(others, c))
	})
}

// ErrNotExist means that there is no container of that id.
var ErrNotExist = errors.New("container does not exist")

func (r *Runtime) dir(id string) string { return filepath.Join(r.root, id) }

// reserve makes the folder of a new record and locks it.
func (r *Runtime) reserve(id string) (unlock func(), err error) {
	if !validID(id) {
		return nil, fmt.Errorf("invalid container id %q: expected letters, digits and _+.-", id)
	}
	if err := os.MkdirAll(r.root, 0o700); err != nil {
		return nil, err
	}
	err = os.Mkdir(r.dir(id), 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("container with id %q exists already", id)
	}
	if err != nil {
		return nil, err
	}
	return r.lock(id)
}

// lock keeps other calls for the same container waiting.
func (r *Runtime) lock(id string) (unlock func(), err error) {
	f, err := os.Open(r.dir(id))
	if errors.Is(err, fs.ErrNotExist) || !validID(id) {
		return nil, fmt.Errorf("%w: %s", ErrNotExist, id)
	}
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, &os.PathError{Op: "lock", Path: f.Name(), Err: err}
	}
	return func() { f.Close() }, nil
}

func (r *Runtime) load(id string) (*record, error) {
	c := &record{}
	if !validID(id) {
		return nil, fmt.Errorf("%w: %s", ErrNotExist, id)
	}
	err := state.ReadFile(filepath.Join(r.dir(id), recordName), c)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNotExist, id)
	}
	return c, err
}

func (r *Runtime) save(c *record) error {
	return state.WriteFile(filepath.Join(r.dir(c.ID), recordName), c)
}

// status is found from facts: see the package comment.
func (r *Runtime) status(c *record) specs.ContainerState {
	if c.Process.Pid == 0 {
		return specs.StateCreating
	}
	if !c.Process.Alive() {
		return specs.StateStopped
	}
	if _, err := os.Lstat(filepath.Join(r.dir(c.ID), startName)); err == nil {
		return specs.StateCreated
	}
	return specs.StateRunning
}

// State answers a query (runtime-spec, runtime.md, "State").
func (r *Runtime) State(id string) (specs.State, error) {
	c, err := r.load(id)
	if err != nil {
		return specs.State{}, err
	}
	return c.state(r.status(c)), nil
}

func (c *record) state(status specs.ContainerState) specs.State {
	s := specs.State{Version: specs.Version, ID: c.ID, Status: status, Pid: c.Process.Pid, Bundle: c.Bundle, Annotations: c.Spec.Annotations}
	if status == specs.StateStopped {
		s.Pid = 0
	}
	return s
}
