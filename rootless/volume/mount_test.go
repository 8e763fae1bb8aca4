package volume

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// inNamespaces runs a test as root of a user namespace, in a mount namespace of its own.
func inNamespaces(t *testing.T, test func(t *testing.T)) {
	const variable = "PEAPOD_TEST_INSIDE"
	if os.Getenv(variable) != "" {
		test(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), variable+"=1", "TMPDIR="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}, GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func modeOf(t *testing.T, dir string) os.FileMode {
	t.Helper()
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode()
}

// TestUnfinished has volumes whose maker ended before he had given them away.
func TestUnfinished(t *testing.T) {
	inNamespaces(t, func(t *testing.T) {
		disk, memory := filepath.Join(t.TempDir(), "disk"), t.TempDir()
		if err := os.Mkdir(disk, 0); err != nil {
			t.Fatal(err)
		}
		if err := mount("tmpfs", memory, "tmpfs", 0, "mode=000"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Unmount(memory, 0) })
		for range 2 {
			if err := EmptyDir(disk, Owner{}); err != nil {
				t.Error(err)
			}
			if err := Memory(memory, 0, Owner{Mode: 0o1777}); err != nil {
				t.Error(err)
			}
		}
		if mode := modeOf(t, disk); mode != os.ModeDir|0o777 {
			t.Errorf("the folder on the disk is %v", mode)
		}
		if mode := modeOf(t, memory); mode != os.ModeDir|os.ModeSticky|0o777 {
			t.Errorf("the one in memory is %v", mode)
		}
	})
}
