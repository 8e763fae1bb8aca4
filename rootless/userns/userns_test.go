package userns

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rootless-containers/rootlesskit/v3/pkg/parent/idtools"
)

var update = flag.Bool("update", false, "rewrite the golden files")

type extents = []syscall.SysProcIDMap

func TestMapping(t *testing.T) {
	got := mapping(1000, []idtools.SubIDRange{{Start: 100000, Length: 65536}, {Start: 300000, Length: 10}})
	want := extents{{ContainerID: 0, HostID: 1000, Size: 1}, {ContainerID: 1, HostID: 100000, Size: 65536}, {ContainerID: 65537, HostID: 300000, Size: 10}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
	nested := extents{{Size: 1}, {ContainerID: 1, HostID: 1, Size: 65536}, {ContainerID: 65537, HostID: 65537, Size: 10}}
	if got := Nested(got); !reflect.DeepEqual(got, nested) {
		t.Errorf("nested: got %v", got)
	}
}

func TestContain(t *testing.T) {
	m := Maps{UIDs: mapping(1000, []idtools.SubIDRange{{Start: 100000, Length: 1000}}), GIDs: mapping(1000, []idtools.SubIDRange{{Start: 100000, Length: 10}})}
	if err := m.Contain(1000, 10); err != nil {
		t.Error(err)
	}
	for _, ids := range [][2]uint32{{1001, 0}, {0, 11}, {1<<32 - 1, 0}} {
		if err := m.Contain(ids[0], ids[1]); err == nil || !strings.Contains(err.Error(), "usermod --add-sub") {
			t.Errorf("%v: %v", ids, err)
		}
	}
}

func TestRangesOfNobody(t *testing.T) {
	t.Setenv("GETSUBIDS", "/nonexistent")
	_, err := Ranges(&user.User{Uid: "4000000", Gid: "4000000", Username: "nobody-has-this-name"})
	if !errors.Is(err, ErrNoRanges) || !strings.Contains(err.Error(), "usermod --add-subuids") {
		t.Errorf("got %v", err)
	}
}

func TestMissingTool(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if err := writeMap("newuidmap", 1, nil); err == nil || !strings.Contains(err.Error(), "package uidmap") {
		t.Errorf("got %v", err)
	}
}

func TestExplain(t *testing.T) {
	saved := settings
	defer func() { settings = saved }()
	dir := t.TempDir()
	for i := range settings {
		settings[i].path = filepath.Join(dir, strconv.Itoa(i))
	}
	if err := explain(unix.EPERM); err != unix.EPERM {
		t.Errorf("without a setting: %v", err)
	}
	for i, s := range settings {
		if err := os.WriteFile(s.path, []byte(s.forbids+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := explain(unix.EPERM); !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), s.path) || !strings.Contains(err.Error(), s.allow) {
			t.Errorf("setting %d: %v", i, err)
		}
		os.Remove(s.path)
	}
	if err := explain(unix.ENOENT); err != unix.ENOENT {
		t.Errorf("another error: %v", err)
	}
}

func TestHolderPlanGolden(t *testing.T) {
	path := filepath.Join("testdata", "holder.plan")
	if *update {
		if err := os.WriteFile(path, []byte(holderPlan().String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := holderPlan().String(); got != string(want) {
		t.Errorf("the holder's plan has changed:\n%s", got)
	}
}

// requireRanges returns the caller's maps; without subordinate ids there is nothing to test.
func requireRanges(t *testing.T) Maps {
	t.Helper()
	if os.Getuid() == 0 {
		t.Skip("needs an ordinary user")
	}
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	m, err := Ranges(u)
	if errors.Is(err, ErrNoRanges) {
		t.Skip("needs subordinate ids")
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestHolder(t *testing.T) {
	h, err := Create(requireRanges(t))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "holder.json")
	if err := h.Save(path); err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(path)
	if err != nil || !reflect.DeepEqual(loaded, h) {
		t.Errorf("loaded %+v, %v", loaded, err)
	}
	maps, err := os.ReadFile("/proc/" + strconv.Itoa(h.Process.Pid) + "/uid_map")
	if err != nil || len(strings.Split(strings.TrimSpace(string(maps)), "\n")) != len(h.Maps.UIDs) {
		t.Errorf("uid_map %q, %v", maps, err)
	}
	inside := exec.Command("/proc/self/exe", "-test.run=^TestEnterChild$", "-test.v")
	inside.Env = append(os.Environ(), "USERNS_TEST_HOLDER="+path)
	out, err := inside.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "inside: uid 0") {
		t.Errorf("enter: %v\n%s", err, out)
	}
	if err := h.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := unix.Wait4(h.Process.Pid, nil, 0, nil); err != nil {
		t.Error(err)
	}
	if loaded, err := Load(path); loaded != nil || err != nil {
		t.Errorf("a dead holder is loaded: %+v, %v", loaded, err)
	}
	if err := h.Stop(); err != nil {
		t.Errorf("stop again: %v", err)
	}
}

// TestEnterChild is a part of TestHolder: it replaces itself by a shell in the holder's namespaces.
func TestEnterChild(t *testing.T) {
	path := os.Getenv("USERNS_TEST_HOLDER")
	if path == "" {
		t.Skip("a part of TestHolder")
	}
	h, err := Load(path)
	if err != nil || h == nil {
		t.Fatal(h, err)
	}
	t.Fatal(h.Enter("/", []string{"/bin/sh", "-c", "echo inside: uid $(id -u)"}, os.Environ(), nil))
}

func TestCreateWithoutTool(t *testing.T) {
	m := requireRanges(t)
	t.Setenv("PATH", t.TempDir())
	if _, err := Create(m); err == nil || !strings.Contains(err.Error(), "newuidmap is not installed") {
		t.Errorf("got %v", err)
	}
	// The process that waited for its maps must be gone.
	for range 100 {
		if _, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); errors.Is(err, unix.ECHILD) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("a process is left")
}

// Without newuidmap and subordinate ids there is still a namespace, of one id.
func TestSingle(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	m := Single(os.Getuid(), os.Getgid())
	if !m.Single() || m.Contain(1, 0) == nil || m.Contain(0, 0) != nil {
		t.Errorf("maps %v", m)
	}
	h, err := Create(m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Stop(); err != nil {
			t.Error(err)
		}
		if _, err := unix.Wait4(h.Process.Pid, nil, 0, nil); err != nil {
			t.Error(err)
		}
	})
	for name, want := range map[string]string{
		"uid_map": "0 " + strconv.Itoa(os.Getuid()) + " 1", "gid_map": "0 " + strconv.Itoa(os.Getgid()) + " 1", "setgroups": "deny",
	} {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(h.Process.Pid) + "/" + name)
		if got := strings.Join(strings.Fields(string(text)), " "); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", name, got, err, want)
		}
	}
}
