package oci

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestLifecycle goes through a container's life by the command line, as an ordinary user with a new user namespace.
func TestLifecycle(t *testing.T) {
	require(t, "a user namespace", exec.Command("unshare", "--user", "--map-root-user", "--map-auto", "true").Run())
	dir := t.TempDir()
	o := ociCommand{t, peapod(t), filepath.Join(dir, "root")}
	o.bundle(dir, program(t, probeVariable, "probe", "./probe"))
	o.fails("create", "--bundle", filepath.Join(dir, "missing"), "a")
	pidFile := filepath.Join(dir, "pid")
	o.ok("create", "--bundle", dir, "--pid-file", pidFile, "a")
	t.Cleanup(func() { o.ok("delete", "--force", "a") })
	if s := o.state("a"); s.Status != specs.StateCreated || s.Pid == 0 || s.Bundle != dir {
		t.Errorf("%+v", s)
	}
	if text, err := os.ReadFile(pidFile); err != nil || string(text) == "" {
		t.Errorf("pid file %q, %v", text, err)
	}
	o.fails("create", "--bundle", dir, "a")
	o.fails("exec", "a", "/probe")
	o.fails("delete", "a")
	o.ok("start", "a")
	o.fails("start", "a")
	if s := o.state("a"); s.Status != specs.StateRunning {
		t.Errorf("%+v", s)
	}
	if out := o.ok("exec", "--env", "B=2", "--user", "3:4", "a", "/probe"); !strings.Contains(out, `"env B":"2"`) || !strings.Contains(out, `"status Uid":"3 3 3 3"`) {
		t.Errorf("exec printed %s", out)
	}
	if out := o.fails("exec", "a", "/missing"); !strings.Contains(out, "/missing") {
		t.Errorf("exec of a missing program says %s", out)
	}
	o.ok("kill", "a", "KILL")
	o.ok("delete", "--force", "a")
	o.fails("state", "a")
}

// TestStartTellsWhatFailed wants the failure of a program that cannot be executed from start, and the container stopped.
func TestStartTellsWhatFailed(t *testing.T) {
	require(t, "a user namespace", exec.Command("unshare", "--user", "--map-root-user", "--map-auto", "true").Run())
	dir := t.TempDir()
	o := ociCommand{t, peapod(t), filepath.Join(dir, "root")}
	o.bundle(dir, "/dev/null")
	o.ok("create", "--bundle", dir, "a")
	if out := o.fails("start", "a"); !strings.Contains(out, `exec: "/probe"`) {
		t.Errorf("start says %s", out)
	}
	if s := o.state("a"); s.Status != specs.StateStopped {
		t.Errorf("%+v", s)
	}
	o.ok("delete", "a")
}

// ociCommand runs peapod oci.
type ociCommand struct {
	t            *testing.T
	peapod, root string
}

func (o ociCommand) run(args ...string) (string, error) {
	cmd := exec.Command(o.peapod, append([]string{"oci", "--root", o.root}, args...)...)
	file, err := os.CreateTemp(o.t.TempDir(), "out") // a pipe would be held open by the container
	if err != nil {
		o.t.Fatal(err)
	}
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	err = cmd.Run()
	text, readErr := os.ReadFile(file.Name())
	if readErr != nil {
		o.t.Fatal(readErr)
	}
	return string(text), err
}

func (o ociCommand) ok(args ...string) string {
	o.t.Helper()
	out, err := o.run(args...)
	if err != nil {
		o.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (o ociCommand) fails(args ...string) string {
	o.t.Helper()
	out, err := o.run(args...)
	if err == nil {
		o.t.Fatalf("%s: no error\n%s", strings.Join(args, " "), out)
	}
	return out
}

func (o ociCommand) state(id string) (s specs.State) {
	o.t.Helper()
	out := o.ok("state", id)
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		o.t.Fatalf("state: %v\n%s", err, out)
	}
	return s
}

// bundle makes a bundle whose program is /probe, which waits for a signal if it has an argument.
func (o ociCommand) bundle(dir, probe string) {
	o.t.Helper()
	content, err := os.ReadFile(probe)
	if err != nil {
		o.t.Fatal(err)
	}
	spec := specs.Spec{
		Version: specs.Version, Root: &specs.Root{Path: "rootfs"},
		Process: &specs.Process{Args: []string{"/probe", "stay"}, Cwd: "/", Env: []string{"A=1"}},
		Mounts:  []specs.Mount{{Destination: "/proc", Type: "proc", Source: "proc"}, {Destination: "/dev", Type: "tmpfs", Source: "tmpfs"}},
		Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{
			{Type: specs.UserNamespace}, {Type: specs.MountNamespace}, {Type: specs.PIDNamespace}, {Type: specs.NetworkNamespace}, {Type: specs.IPCNamespace},
		}},
	}
	text, err := json.Marshal(spec)
	if err != nil {
		o.t.Fatal(err)
	}
	for name, file := range map[string][]byte{"rootfs/probe": content, "config.json": text} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			o.t.Fatal(err)
		}
		if err := os.WriteFile(path, file, 0o755); err != nil {
			o.t.Fatal(err)
		}
	}
}
