package oci

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/container"
)

// view is what the probe prints, by field.
type view map[string]string

func TestOracle(t *testing.T) {
	if os.Getenv(insideVariable) == "" {
		_, err := exec.LookPath("crun")
		require(t, "crun", err)
		inNamespace(t, peapodVariable+"="+peapod(t), probeVariable+"="+program(t, probeVariable, "probe", "./probe"))
		return
	}
	// In /tmp itself: the runtimes' sockets and mount points have short limits.
	dir := t.TempDir()
	if err := unix.Mount("none", "/sys/fs/cgroup", "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	f, err := NewFixture(dir, os.Getenv(probeVariable))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	used := map[int]bool{}
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) { v.compare(t, f, used) })
	}
	reportUnused(t, used)
}

// compare runs one variant under all runtimes.
func (v variant) compare(t *testing.T, f *Fixture, used map[int]bool) {
	spec := v.spec(t, f)
	want := f.normal(runBundle(t, f, v.name, spec, "crun", "--cgroup-manager=disabled", "--root", filepath.Join(f.Dir, "crun")))
	for _, run := range []struct {
		name string
		got  view
	}{
		{"oci", f.normal(runBundle(t, f, v.name, spec, os.Getenv(peapodVariable), "oci", "--root", filepath.Join(f.Dir, "oci")))},
		{"node", f.normal(runInProcess(t, f, v.name, spec))},
	} {
		for _, field := range slices.Sorted(maps.Keys(union(want, run.got))) {
			expected, got := want.field(field), run.got.field(field)
			if expected == got {
				continue
			}
			if i := excuse(run.name, field, expected, got); i >= 0 {
				used[i] = true
				continue
			}
			t.Errorf("%s: %s\n\tcrun %s\n\t%s  %s", run.name, field, expected, run.name, got)
		}
	}
}

func union(a, b view) view {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

func (v view) field(name string) string {
	if value, ok := v[name]; ok {
		return value
	}
	return missing
}

// runBundle runs a bundle to its end by a command line and returns what its probe has seen.
func runBundle(t *testing.T, f *Fixture, id string, spec *specs.Spec, command ...string) view {
	t.Helper()
	dir, remove, err := f.Bundle(id, spec)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := remove(); err != nil {
			t.Error(err)
		}
	}()
	cmd := exec.Command(command[0], append(command[1:], "run", "--bundle", dir, id)...)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(command, " "), err, problem.String(), out.String())
	}
	return parseView(t, out.Bytes())
}

func parseView(t *testing.T, text []byte) view {
	t.Helper()
	v := view{}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("the probe printed %q: %v", text, err)
	}
	return v
}

// runInProcess does what the node does.
func runInProcess(t *testing.T, f *Fixture, id string, spec *specs.Spec) view {
	t.Helper()
	root, err := f.Mount(id)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.Unmount(id); err != nil {
			t.Error(err)
		}
	}()
	c, streams, err := f.Runtime.Start(id, spec, container.Sources{Sandbox: f.Pidfd, Root: root})
	root.File.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer streams.Close()
	pidfd, err := c.Process.Open()
	if err != nil {
		t.Fatal(err)
	}
	if exit := container.Wait(c.Process, pidfd); exit.Code != 0 {
		problem, _ := readAll(streams.Stderr)
		t.Fatalf("the probe ended with %d: %s", exit.Code, problem)
	}
	out, err := readAll(streams.Stdout)
	if err != nil {
		t.Fatal(err)
	}
	return parseView(t, out)
}

// readAll reads what is in a FIFO whose writers are gone.
func readAll(fifo *os.File) ([]byte, error) {
	if err := fifo.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return nil, err
	}
	return io.ReadAll(fifo)
}

// normal takes out what differs between two runs of the same runtime.
func (f *Fixture) normal(v view) view {
	known := f.Namespaces()
	for field, value := range v {
		switch group, name, _ := strings.Cut(field, " "); {
		case group == "namespace":
			if v[field] = known[value]; v[field] == "" {
				v[field] = "new"
			}
		case group == "status" && slices.Contains(varying, name), group == "mount" && strings.HasPrefix(name, "unreadable"):
			delete(v, field)
		case group == "mount":
			v[field] = strings.ReplaceAll(value, f.Dir, "DIR")
		}
	}
	return v
}

// varying are the fields of /proc/self/status that tell of time and memory.
var varying = []string{
	"VmPeak", "VmSize", "VmLck", "VmPin", "VmHWM", "VmRSS", "RssAnon", "RssFile", "RssShmem", "VmData", "VmStk", "VmExe", "VmLib", "VmPTE",
	"VmSwap", "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches", "Threads", "SigQ", "Cpus_allowed", "Cpus_allowed_list", "FDSize",
	"State", "SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt", "THP_enabled", "untag_mask",
}

// reportUnused complains of differences that nothing shows, if the crun here is the one that they were seen with.
func reportUnused(t *testing.T, used map[int]bool) {
	complain := t.Logf
	if out, err := exec.Command("crun", "--version").Output(); err == nil && strings.HasPrefix(string(out), "crun version "+crunVersion+"\n") {
		complain = t.Errorf
	}
	for i, d := range differences {
		if !used[i] {
			complain("no variant shows the difference any more: %s %q (%s)", d.runtime, d.field, d.why)
		}
	}
}
