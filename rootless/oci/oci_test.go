package oci

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/plan"
	"github.com/peapod/peapod/rootless/state"
)

func good() *specs.Spec {
	return &specs.Spec{
		Version: "1.3.0", Root: &specs.Root{Path: "rootfs"}, Process: &specs.Process{Args: []string{"sh"}, Cwd: "/"},
		Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.UserNamespace}, {Type: specs.MountNamespace}}},
	}
}

// TestCheck wants each refusal to name the field.
func TestCheck(t *testing.T) {
	if err := Check(good()); err != nil {
		t.Fatal(err)
	}
	one := int64(1)
	for field, change := range map[string]func(*specs.Spec){
		"config.json":             func(s *specs.Spec) { s.Process = nil },
		"ociVersion":              func(s *specs.Spec) { s.Version = "2.0.0" },
		"root.path":               func(s *specs.Spec) { s.Root.Path = "" },
		"hooks.createContainer":   func(s *specs.Spec) { s.Hooks = &specs.Hooks{CreateContainer: []specs.Hook{{Path: "/a"}}} },
		"hooks.startContainer":    func(s *specs.Spec) { s.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: "/a"}}} },
		"hooks:":                  func(s *specs.Spec) { s.Hooks = &specs.Hooks{Poststop: []specs.Hook{{Path: "a"}}} },
		"windows":                 func(s *specs.Spec) { s.Windows = &specs.Windows{} },
		"hostname":                func(s *specs.Spec) { s.Hostname = "a" },
		"process.args":            func(s *specs.Spec) { s.Process.Args = nil },
		"process.cwd":             func(s *specs.Spec) { s.Process.Cwd = "a" },
		"process.apparmorProfile": func(s *specs.Spec) { s.Process.ApparmorProfile = "a" },
		"process.selinuxLabel":    func(s *specs.Spec) { s.Process.SelinuxLabel = "a" },
		"process.scheduler":       func(s *specs.Spec) { s.Process.Scheduler = &specs.Scheduler{} },
		"process.ioPriority":      func(s *specs.Spec) { s.Process.IOPriority = &specs.LinuxIOPriority{} },
		"process.rlimits":         func(s *specs.Spec) { s.Process.Rlimits = []specs.POSIXRlimit{{Type: "A"}, {Type: "A"}} },
		"linux.uidMappings":       func(s *specs.Spec) { s.Linux.UIDMappings = []specs.LinuxIDMapping{{Size: 1}} },
		"linux.mountLabel":        func(s *specs.Spec) { s.Linux.MountLabel = "a" },
		"linux.intelRdt":          func(s *specs.Spec) { s.Linux.IntelRdt = &specs.LinuxIntelRdt{} },
		"linux.personality":       func(s *specs.Spec) { s.Linux.Personality = &specs.LinuxPersonality{} },
		"linux.resources.memory": func(s *specs.Spec) {
			s.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &one}}
		},
		"linux.resources.pids":       func(s *specs.Spec) { s.Linux.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &one}} },
		"linux.resources.network":    func(s *specs.Spec) { s.Linux.Resources = &specs.LinuxResources{Network: &specs.LinuxNetwork{}} },
		"linux.seccomp.listenerPath": func(s *specs.Spec) { s.Linux.Seccomp = &specs.LinuxSeccomp{ListenerPath: "/a"} },
		"linux.seccomp.flags": func(s *specs.Spec) {
			s.Linux.Seccomp = &specs.LinuxSeccomp{Flags: []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagWaitKillableRecv}}
		},
		"linux.timeOffsets":       func(s *specs.Spec) { s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"monotonic": {}} },
		"linux.memoryPolicy":      func(s *specs.Spec) { s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{} },
		"linux.netDevices":        func(s *specs.Spec) { s.Linux.NetDevices = map[string]specs.LinuxNetDevice{"eth0": {}} },
		"process.execCPUAffinity": func(s *specs.Spec) { s.Process.ExecCPUAffinity = &specs.CPUAffinity{} },
		"domainname":              func(s *specs.Spec) { s.Domainname = "a" },
		"linux.resources.unified": func(s *specs.Spec) { s.Linux.Resources = &specs.LinuxResources{Unified: map[string]string{"a": "b"}} },
		"linux.resources.devices: a block ": func(s *specs.Spec) {
			s.Linux.Resources = &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: true, Type: "b", Major: &one}}}
		},
	} {
		s := good()
		change(s)
		if err := Check(s); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	text, err := json.Marshal(good())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"linux":{},"root":{},"process":{"capabilities":null}}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parse(text)
		if err == nil && (len(s.Process.Args) == 0 || s.Root.Path == "") {
			t.Errorf("accepted %q", text)
		}
	})
}

func TestParseSignal(t *testing.T) {
	for text, want := range map[string]int{"TERM": 15, "sigkill": 9, "SIGUSR1": 10, "9": 9, "0": 0, "64": 64, "65": -1, "": -1, "SIG": -1, "X": -1} {
		got, err := ParseSignal(text)
		if want < 0 != (err != nil) || err == nil && int(got) != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
}

func TestValidID(t *testing.T) {
	for id, want := range map[string]bool{"a": true, "A-1_2+3.4": true, "..": false, ".": false, "": false, "a/b": false, "a\n": false, "ä": false} {
		if validID(id) != want {
			t.Errorf("%q: want %v", id, want)
		}
	}
}

func TestParseUser(t *testing.T) {
	u := specs.User{UID: 1, GID: 2}
	for _, c := range []struct {
		text     string
		uid, gid uint32
		bad      bool
	}{{"", 1, 2, false}, {"5", 5, 2, false}, {"5:6", 5, 6, false}, {"x", 0, 0, true}, {"5:-1", 0, 0, true}} {
		got := u
		err := parseUser(c.text, &got)
		if (err != nil) != c.bad || err == nil && (got.UID != c.uid || got.GID != c.gid) {
			t.Errorf("%q: %+v, %v", c.text, got, err)
		}
	}
}

// TestStatus derives each status from facts.
func TestStatus(t *testing.T) {
	r := New(t.TempDir())
	unlock, err := r.reserve("c")
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	if _, err := r.reserve("c"); err == nil {
		t.Error("an id is taken twice")
	}
	self, err := state.NewProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	c := &record{ID: "c", Spec: good()}
	if s := r.status(c); s != specs.StateCreating {
		t.Errorf("without a process it is %s", s)
	}
	c.Process = self
	if s := r.status(c); s != specs.StateRunning {
		t.Errorf("with a process it is %s", s)
	}
	fifo := filepath.Join(r.dir("c"), startName)
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if s := r.status(c); s != specs.StateCreated {
		t.Errorf("with a FIFO it is %s", s)
	}
	c.Process.StartTime++
	if s := r.status(c); s != specs.StateStopped {
		t.Errorf("with another process of that pid it is %s", s)
	}
	if _, err := r.State("missing"); err == nil {
		t.Error("a container that does not exist has a state")
	}
}

func TestActs(t *testing.T) {
	acts := plan.Acts{"a", "exec sh"}
	if err := acts.Failure(strings.NewReader("")); err != nil {
		t.Error(err)
	}
	if err := acts.Failure(strings.NewReader("\x48\x00\x00\x00\x02\x00\x00\x00")); err == nil || !strings.Contains(err.Error(), "exec sh: no such file") {
		t.Errorf("got %v", err)
	}
	if err := acts.Failure(strings.NewReader("\xff\xff\x00\x00\x02\x00\x00\x00")); err == nil || strings.Contains(err.Error(), "exec sh") {
		t.Errorf("got %v", err)
	}
}
