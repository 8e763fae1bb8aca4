package oci

import (
	"fmt"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/container"
)

// Start lets the program of a created container run.
func (r *Runtime) Start(id string) error {
	unlock, err := r.lock(id)
	if err != nil {
		return err
	}
	defer unlock()
	c, err := r.load(id)
	if err != nil {
		return err
	}
	if status := r.status(c); status != specs.StateCreated {
		return fmt.Errorf("container %s is %s: only a created one can be started", id, status)
	}
	if err := r.release(c); err != nil {
		return container.StartError(err, c.Spec.Process.Args[0])
	}
	return r.started(c)
}

// release gives the init its byte, and returns when it has called execve or failed.
func (r *Runtime) release(c *record) error {
	report, err := os.OpenFile(filepath.Join(r.dir(c.ID), reportName), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer report.Close()
	start := filepath.Join(r.dir(c.ID), startName)
	// Without a reader, that is when the init has died meanwhile, it is ENXIO.
	fifo, err := os.OpenFile(start, os.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer fifo.Close()
	// Removed first: afterwards the container counts as running or, if it fails, as stopped.
	if err := os.Remove(start); err != nil {
		return err
	}
	if _, err := fifo.Write(goOn); err != nil {
		return err
	}
	return c.Acts.Failure(report)
}

// started runs the hooks of a container that runs. If one fails, the container is stopped.
func (r *Runtime) started(c *record) error {
	if c.Spec.Hooks == nil {
		return nil
	}
	err := runHooks(c.Spec.Hooks.Poststart, c.state(specs.StateRunning))
	if err != nil {
		_ = c.signal(unix.SIGKILL) // it may have ended by itself
	}
	return err
}
