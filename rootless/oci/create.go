package oci

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/peapod/peapod/rootless/container"
	"github.com/peapod/peapod/rootless/plan"
	"github.com/peapod/peapod/rootless/seccomp"
	"github.com/peapod/peapod/rootless/state"
)

// CreateOptions are the arguments of create and run.
type CreateOptions struct {
	ID, Bundle    string
	PidFile       string // gets the init's pid; none if empty
	ConsoleSocket string // unix socket that gets the terminal's master
	KeepKeyring   bool   // the init stays in the caller's session keyring
	Stdio         [3]*os.File
}

// Create prepares a container up to the point where start lets its program run. On failure nothing is left.
func (r *Runtime) Create(o CreateOptions) error {
	l, err := r.newLaunch(o)
	if err != nil {
		return err
	}
	if l.spec.Process.Terminal && o.ConsoleSocket == "" {
		return errors.New("process.terminal: create needs --console-socket to hand the terminal over")
	}
	unlock, err := r.reserve(o.ID)
	if err != nil {
		return err
	}
	defer unlock()
	if err = l.makeFIFOs(); err == nil {
		err = l.launch()
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(r.dir(o.ID)))
	}
	return nil
}

// launch is one container on its way to its init.
type launch struct {
	runtime *Runtime
	options CreateOptions
	spec    *specs.Spec
	record  *record
	files   map[string]*os.File // what the Plan inherits
	plan    container.BundleOptions
}

// newLaunch reads the bundle and decides. It changes nothing.
func (r *Runtime) newLaunch(o CreateOptions) (*launch, error) {
	spec, bundle, err := loadBundle(o.Bundle)
	if err != nil {
		return nil, err
	}
	if err := dropOwnUser(spec.Linux); err != nil {
		return nil, err
	}
	l := &launch{
		runtime: r, options: o, spec: spec, files: map[string]*os.File{},
		record: &record{ID: o.ID, Bundle: bundle, Created: time.Now(), Spec: spec},
	}
	l.plan, err = planOptions(spec)
	l.plan.Give = toGive(o.Stdio)
	l.plan.Root, l.plan.Hooks = spec.Root.Path, len(createHooks(spec)) > 0
	if !o.KeepKeyring {
		l.plan.Keyring = "_ses." + o.ID
	}
	return l, err
}

// toGive are the standard streams that are pipes, sockets or terminals. A file of the caller's stays the caller's.
func toGive(stdio [3]*os.File) (fds []int) {
	for fd, f := range stdio {
		if f == nil {
			continue
		}
		info, err := f.Stat()
		terminal := err == nil && info.Mode()&fs.ModeCharDevice != 0 && term.IsTerminal(int(f.Fd()))
		if err == nil && (terminal || info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) != 0) {
			fds = append(fds, fd)
		}
	}
	return fds
}

func planOptions(spec *specs.Spec) (o container.BundleOptions, err error) {
	if o.Single, err = checkCaller(spec); err != nil {
		return o, err
	}
	if p := spec.Linux.Seccomp; p != nil {
		if o.Seccomp, err = seccomp.Prepare(p, runtime.GOARCH); err != nil {
			return o, err
		}
	}
	text, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		return o, err
	}
	o.LastCapability, err = strconv.Atoi(strings.TrimSpace(string(text)))
	return o, err
}

// makeFIFOs makes the meeting points of create's init and start. They are opened for both directions, so nobody waits for the other
// side, and what is written stays there as long as the init has them.
func (l *launch) makeFIFOs() error {
	for name, file := range map[string]string{container.StartFD: startName, container.ReportFD: reportName} {
		path := filepath.Join(l.runtime.dir(l.options.ID), file)
		if err := unix.Mkfifo(path, 0o600); err != nil {
			return &os.PathError{Op: "mkfifo", Path: path, Err: err}
		}
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0) // not os.OpenFile, which would make it non-blocking
		if err != nil {
			return &os.PathError{Op: "open", Path: path, Err: err}
		}
		l.files[name] = os.NewFile(uintptr(fd), path)
	}
	l.plan.Wait = true
	return nil
}

// launch starts the init, and writes the record and the pid file.
func (l *launch) launch() (err error) {
	defer func() {
		for _, f := range l.files {
			f.Close()
		}
	}()
	if err := l.openNamespaces(); err != nil {
		return err
	}
	if l.spec.Process.Terminal && l.files[container.ConsoleFD] == nil {
		if l.files[container.ConsoleFD], err = dialConsole(l.options.ConsoleSocket); err != nil {
			return err
		}
	}
	p, err := container.CompileBundle(l.spec, l.plan)
	if err != nil {
		return err
	}
	pid, err := l.run(p)
	if err != nil {
		return container.StartError(err, l.spec.Process.Args[0])
	}
	if l.plan.Wait {
		l.record.Acts = p.Acts()
	}
	if err = l.note(pid); err != nil {
		_ = unix.Kill(pid, unix.SIGKILL)
		_, _ = unix.Wait4(pid, nil, 0, nil)
	}
	return err
}

func (l *launch) note(pid int) (err error) {
	if l.record.Process, err = state.NewProcess(pid); err != nil {
		return err
	}
	if err := l.runtime.save(l.record); err != nil {
		return err
	}
	return writePid(l.options.PidFile, pid)
}

// writePid writes a pid file, which a reader never finds half written.
func writePid(path string, pid int) error {
	if path == "" {
		return nil
	}
	temporary := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	if err := os.WriteFile(temporary, []byte(strconv.Itoa(pid)), 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

func (l *launch) openNamespaces() error {
	for _, n := range l.spec.Linux.Namespaces {
		if n.Path == "" {
			continue
		}
		f, err := os.Open(n.Path)
		if err != nil {
			return fmt.Errorf("linux.namespaces: %s: %w", n.Type, err)
		}
		l.files[container.NamespaceFD+string(n.Type)] = f
	}
	return nil
}

// run carries out the Plan and meets it on its way.
func (l *launch) run(p *plan.Plan) (pid int, err error) {
	start := plan.Start{Plan: p, Files: l.files, Stdio: l.options.Stdio}
	maps := makes(l.spec, specs.UserNamespace)
	if !maps && !l.plan.Hooks {
		return plan.Run(start)
	}
	m, err := newMeeting(l.files, maps, l.plan.Hooks)
	if err != nil {
		return 0, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		pid, err = plan.Run(start)
		m.closeTheirs()
	}()
	meetErr := m.hold(l)
	m.closeOurs()
	<-done
	if meetErr != nil && !errors.Is(meetErr, errGone) {
		if err == nil {
			_ = unix.Kill(pid, unix.SIGKILL)
			_, _ = unix.Wait4(pid, nil, 0, nil)
		}
		return 0, meetErr
	}
	return pid, err
}
