package cgroup

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

const (
	unifiedMounts = `24 30 0:22 / /proc rw,nosuid - proc proc rw
35 24 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
`
	hybridMounts = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`
	v1Mounts = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
`
	userService = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/peapod.service\n"
)

func TestDetect(t *testing.T) {
	for name, c := range map[string]struct{ self, mounts, dir, fault string }{
		"systemd user": {userService, unifiedMounts, "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/peapod.service", ""},
		"part of it mounted": {userService, strings.Replace(unifiedMounts, "0:30 / ", "0:30 /user.slice/user-1000.slice ", 1),
			"/sys/fs/cgroup/user@1000.service/app.slice/peapod.service", ""},
		"odd mount point":        {"0::/a\n", strings.Replace(unifiedMounts, "/sys/fs/cgroup ", `/my\040groups `, 1), "/my groups/a", ""},
		"v1 of something else":   {"1:name=systemd:/\n0::/a\n", unifiedMounts + "9 1 0:3 / /x rw - cgroup cgroup rw,name=systemd\n", "/sys/fs/cgroup/a", ""},
		"hybrid":                 {"8:memory:/x\n0::/\n", hybridMounts, "", "controllers are in cgroup v1 hierarchies (/sys/fs/cgroup/cpu,cpuacct)"},
		"v1":                     {"8:memory:/x\n", v1Mounts, "", "the host uses cgroup v1"},
		"v1 with an unused v2":   {"8:memory:/x\n0::/\n", v1Mounts, "", "the host uses cgroup v1 (/sys/fs/cgroup/memory)"},
		"not mounted":            {userService, "", "", "cgroup2 is not mounted"},
		"mounted from elsewhere": {userService, strings.Replace(unifiedMounts, "0:30 / ", "0:30 /system.slice ", 1), "", "cgroup2 is not mounted"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := Detect(c.self, c.mounts)
			if c.fault == "" && (err != nil || dir != c.dir) {
				t.Errorf("%q, %v; want %q", dir, err, c.dir)
			}
			if c.fault != "" && (!errors.Is(err, ErrNotDelegated) || !strings.Contains(err.Error(), c.fault)) {
				t.Errorf("%q, %v; want an error with %q", dir, err, c.fault)
			}
		})
	}
	if dir, err := Detect("0::relative\n", unifiedMounts); err == nil {
		t.Errorf("a relative path gave %q", dir)
	}
	if _, err := Detect("0::/\n", "garbage\n"); err == nil {
		t.Error("garbage was taken for mounts")
	}
}

func FuzzDetect(f *testing.F) {
	for _, mounts := range []string{unifiedMounts, hybridMounts, v1Mounts} {
		f.Add(userService, mounts)
	}
	f.Fuzz(func(t *testing.T, self, mounts string) {
		if dir, err := Detect(self, mounts); err == nil && dir == "" {
			t.Error("no error and no directory")
		}
	})
}

// fakeRoot has the files that At looks at.
func fakeRoot(t *testing.T, controllers string, mode os.FileMode) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"cgroup.procs": "", "cgroup.subtree_control": "", "cgroup.controllers": controllers} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestAt(t *testing.T) {
	m, err := At(fakeRoot(t, "cpuset cpu io memory pids\n", 0o600))
	if err != nil || !slices.Equal(m.root.controllers, []string{"cpu", "memory", "pids"}) {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := At(fakeRoot(t, "memory pids\n", 0o600)); !errors.Is(err, ErrNotDelegated) || !strings.Contains(err.Error(), "controller cpu is missing") {
		t.Errorf("without cpu: %v", err)
	}
	if _, err := At(filepath.Join(t.TempDir(), "none")); !errors.Is(err, ErrNotDelegated) {
		t.Errorf("no directory: %v", err)
	}
	if os.Geteuid() == 0 {
		t.Skip("root may write everything")
	}
	if _, err := At(fakeRoot(t, "cpu memory pids\n", 0o400)); !errors.Is(err, ErrNotDelegated) || !strings.Contains(err.Error(), "Delegate=yes") {
		t.Errorf("not writable: %v", err)
	}
}

func TestProbeSaysWhy(t *testing.T) {
	m, err := Probe()
	if err != nil && !errors.Is(err, ErrNotDelegated) {
		t.Errorf("%v", err)
	}
	t.Log(m, err)
}

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		l    Limits
		want string
	}{
		{Limits{}, "cpu.max=max 100000 cpu.weight=1 memory.max=max pids.max=max"},
		{Limits{CPU: 500, CPURequest: 250, Memory: 64 << 20, Pids: 100}, "cpu.max=50000 100000 cpu.weight=10 memory.max=67108864 pids.max=100"},
		{Limits{CPU: 1, CPURequest: 1000}, "cpu.max=1000 100000 cpu.weight=39 memory.max=max pids.max=max"},
		{Limits{CPU: 2500, CPURequest: 1 << 62}, "cpu.max=250000 100000 cpu.weight=10000 memory.max=max pids.max=max"},
	} {
		var got []string
		for _, s := range c.l.settings() {
			got = append(got, s.file+"="+s.value)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %v, want %v", c.l, got, c.want)
		}
	}
}

func TestOOMKills(t *testing.T) {
	if n, err := oomKills("low 0\nhigh 0\nmax 17\noom 3\noom_kill 2\noom_group_kill 0\n"); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for _, text := range []string{"", "oom 3\n", "oom_kill x\n"} {
		if n, err := oomKills(text); err == nil {
			t.Errorf("%q gave %d", text, n)
		}
	}
}

// An ordinary directory stands for a cgroup file system: mkdir makes no files there, so their absence is what is seen.
func TestSetWithoutController(t *testing.T) {
	g := &Group{t.TempDir(), nil}
	if err := g.Set(Limits{}); err != nil {
		t.Errorf("no limits: %v", err)
	}
	if err := g.Set(Limits{Pids: 10}); err == nil || !strings.Contains(err.Error(), "controller pids was not delegated") {
		t.Errorf("pids: %v", err)
	}
}

func TestCreateNames(t *testing.T) {
	g := &Group{t.TempDir(), nil}
	for _, name := range []string{"", ".", "..", "a/b", "cgroup\n", nodeName, ".x"} {
		if _, err := g.Create(name, Limits{}); err == nil {
			t.Errorf("%q was taken for a name", name)
		}
	}
}

// TestDelegated works on a real cgroup2 directory that belongs to the user and that this process is in, named by
// PEAPOD_TEST_CGROUP. As root, with C for it:
//
//	mkdir $C; chown $USER $C $C/cgroup.procs $C/cgroup.subtree_control; echo $$ >$C/cgroup.procs
func TestDelegated(t *testing.T) {
	dir := os.Getenv("PEAPOD_TEST_CGROUP")
	if dir == "" {
		t.Skip("PEAPOD_TEST_CGROUP names no delegated cgroup")
	}
	m, err := At(dir)
	if err != nil {
		t.Logf("without limits: %v", err)
		m = &Manager{root: Group{dir: dir}}
	}
	for range 2 {
		if err := m.Enter(); err != nil {
			t.Fatal(err)
		}
	}
	if self, err := os.ReadFile("/proc/self/cgroup"); err != nil || !strings.Contains(string(self), filepath.Base(dir)+"/"+nodeName+"\n") {
		t.Errorf("%s, %v", self, err)
	}
	pod, err := m.Create("pod", Limits{})
	if err != nil {
		t.Fatal(err)
	}
	limits := Limits{}
	if len(m.root.controllers) > 0 {
		limits = Limits{CPU: 500, Memory: 64 << 20, Pids: 100}
	}
	c, err := pod.Create("container", limits)
	if err != nil {
		t.Fatal(err)
	}
	endsByKill(t, c, m.root.Group("pod"))
	if err := m.root.Group("pod").Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Remove: %v", err)
	}
	if err := errors.Join(pod.Kill(), pod.Remove()); err != nil {
		t.Errorf("a group that is gone: %v", err)
	}
}

// endsByKill starts a process in a group and kills it through the group above.
func endsByKill(t *testing.T, c, above *Group) {
	t.Helper()
	fd, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	sleep := exec.Command("sleep", "1000")
	sleep.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(fd.Fd())}
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	if pids, err := processes(c.dir); len(pids) != 1 || err != nil {
		t.Errorf("processes %v, %v", pids, err)
	}
	if err := above.Kill(); err != nil {
		t.Error(err)
	}
	sleep.Wait()
	if s := sleep.ProcessState.Sys().(syscall.WaitStatus); s.Signal() != syscall.SIGKILL {
		t.Errorf("ended by %v", sleep.ProcessState)
	}
}

func TestAdopt(t *testing.T) {
	dir := t.TempDir()
	for file, content := range map[string]string{"memory.current": "4096\n", "memory.max": "", "cpu.max": "", "cpu.weight": ""} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m := &Manager{root: Group{dir: "/nowhere", controllers: []string{"cpu", "memory"}}}
	g := m.Adopt(dir)
	if used, err := g.Memory(); err != nil || used != 4096 {
		t.Errorf("memory: %d, %v", used, err)
	}
	if err := g.Set(Limits{CPU: 500, Memory: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"memory.max": "1048576", "cpu.max": "50000 100000"} {
		if got, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", file, got, err, want)
		}
	}
}
