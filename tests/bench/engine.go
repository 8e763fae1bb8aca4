package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// engine is one of the programs that are compared. Its commands are given as arguments of the program.
type engine struct {
	name, program string
	home          string   // everything it keeps
	env           []string // of all its commands

	apply, delete func(manifest string) []string
	execTrue      func(pod string) []string
	stop          func(ctx context.Context) error // after the Pods are gone: end what else is running
	helper        func(p process) bool            // tells its helpers from the other engine's

	prober *prober
	beside []string // manifests of the Pods that run all the while
}

// The name of the Pod that is timed.
const timedPod = "demo"

func newEngine(o options, name, program string) *engine {
	e := &engine{name: name, home: filepath.Join(o.dir, name)}
	if path, err := exec.LookPath(program); err == nil && program != "" {
		e.program = path
	}
	e.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + e.home, "XDG_RUNTIME_DIR=" + filepath.Join(e.home, "run"), "TMPDIR=" + filepath.Join(e.home, "tmp"),
		"CONTAINERS_REGISTRIES_CONF=" + o.registries,
	}
	return e
}

func peapod(o options) *engine {
	e := newEngine(o, "peapod", o.peapod)
	e.apply = func(manifest string) []string { return []string{"apply", "-f", manifest} }
	e.delete = func(manifest string) []string { return []string{"delete", "-f", manifest} }
	e.execTrue = func(pod string) []string { return []string{"exec", pod, "-c", "busybox", "--", "true"} }
	e.stop = func(ctx context.Context) error { return e.run(ctx, "node", "stop") }
	e.helper = func(p process) bool { return p.comm == "peapod" || p.comm == "pause" }
	return e
}

// podman is set up to be as quick as it can be: the kernel's overlay instead of vfs, no cgroups, no journal of events.
func podman(o options) *engine {
	e := newEngine(o, "podman", o.podman)
	conf, storage := filepath.Join(e.home, "containers.conf"), filepath.Join(e.home, "storage.conf")
	e.env = append(e.env, "CONTAINERS_CONF="+conf, "CONTAINERS_STORAGE_CONF="+storage)
	e.apply = func(manifest string) []string { return []string{"kube", "play", manifest} }
	e.delete = func(manifest string) []string { return []string{"kube", "down", manifest} }
	e.execTrue = func(pod string) []string { return []string{"exec", pod + "-busybox", "true"} }
	e.stop = func(ctx context.Context) error { return errors.Join(e.run(ctx, "pod", "rm", "-fa"), e.endPause()) }
	ours := peapod(o).helper
	e.helper = func(p process) bool { return !ours(p) }
	return e
}

// Settings of podman's, by the name of their file.
var podmanFiles = map[string]string{
	"containers.conf": `[containers]
cgroups = "disabled"
cgroupns = "host"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
`,
	"storage.conf": `[storage]
driver = "overlay"
`,
}

// endPause ends the process that keeps podman's namespaces.
func (e *engine) endPause() error {
	for _, dir := range []string{"libpod/tmp", "libpod"} {
		b, err := os.ReadFile(filepath.Join(e.home, "run", dir, "pause.pid"))
		if err != nil {
			continue
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil || pid <= 1 {
			return fmt.Errorf("podman's pause.pid: %q", b)
		}
		return syscall.Kill(pid, syscall.SIGKILL)
	}
	return nil
}

// command is one of the engine's.
func (e *engine) command(ctx context.Context, args ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.CommandContext(ctx, e.program, args...)
	var output bytes.Buffer
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = e.env, e.home, &output, &output
	cmd.WaitDelay = time.Second
	return cmd, &output
}

func (e *engine) run(ctx context.Context, args ...string) error {
	cmd, output := e.command(ctx, args...)
	return e.explain(ctx, args, cmd.Run(), output)
}

// explain adds to the error of a command what it was and what it said.
func (e *engine) explain(ctx context.Context, args []string, err error, output *bytes.Buffer) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return fmt.Errorf("%s %s: %w: %s", e.name, strings.Join(args, " "), err, bytes.TrimSpace(output.Bytes()))
}

// timed runs a command and returns how long it took, from before its start to its end.
func (e *engine) timed(ctx context.Context, args ...string) (time.Duration, error) {
	cmd, output := e.command(ctx, args...)
	began := time.Now()
	err := cmd.Run()
	return time.Since(began), e.explain(ctx, args, err, output)
}

func (e *engine) version(ctx context.Context) string {
	cmd, output := e.command(ctx, "--version")
	if err := cmd.Run(); err != nil {
		cmd, output = e.command(ctx, "version")
		_ = cmd.Run() // its name will do
	}
	first, _, _ := strings.Cut(strings.TrimSpace(output.String()), "\n")
	return first
}

// makeHome makes the engine's directories and settings.
func (e *engine) makeHome() error {
	for _, dir := range []string{"", "run", "tmp"} {
		if err := os.MkdirAll(filepath.Join(e.home, dir), 0o700); err != nil {
			return err
		}
	}
	for name, text := range podmanFiles {
		if err := os.WriteFile(filepath.Join(e.home, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes the engine's files, pulls the images and runs the first Pods.
func (e *engine) prepare(ctx context.Context, w *watcher, beside int) error {
	if err := e.makeHome(); err != nil {
		return err
	}
	for _, image := range []string{busyboxImage, nginxImage} {
		if err := e.run(ctx, "pull", image); err != nil {
			return err
		}
	}
	for i := range beside {
		path, err := e.manifest(fmt.Sprintf("beside-%d", i))
		if err != nil {
			return err
		}
		e.beside = append(e.beside, path)
		if err := e.run(ctx, e.apply(path)...); err != nil {
			return err
		}
	}
	return e.round(ctx, w, map[string]*samples{})
}

// close ends everything the engine started and removes its files, of which many belong to subordinate ids.
func (e *engine) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var errs []error
	for _, path := range e.beside {
		errs = append(errs, e.run(ctx, e.delete(path)...))
	}
	errs = append(errs, e.stop(ctx))
	if e.prober != nil {
		errs = append(errs, e.prober.remove(e.home), e.prober.close())
	}
	return errors.Join(errs...)
}
