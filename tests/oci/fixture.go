package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/container"
	"github.com/peapod/peapod/rootless/sandbox"
	"github.com/peapod/peapod/rootless/state"
	"github.com/peapod/peapod/rootless/userns"
)

// Fixture is a Pod without a node: a pause, its files, and a one-program image. The caller is root of a user namespace with a mount
// namespace of its own.
type Fixture struct {
	Dir     string
	Runtime *container.Runtime
	Pidfd   *os.File // of the pause
	Files   container.Files

	paths   state.Paths
	sandbox *sandbox.Sandbox
	lower   string
}

const podUID = "pod"

// NewFixture makes one in a new folder dir, with a program as /probe of the image.
func NewFixture(dir, program string) (f *Fixture, err error) {
	f = &Fixture{Dir: dir, paths: state.Paths{Data: filepath.Join(dir, "data"), State: filepath.Join(dir, "state"), Run: filepath.Join(dir, "run")}}
	if err := f.makeImage(program); err != nil {
		return nil, err
	}
	if err := f.makeFiles(); err != nil {
		return nil, err
	}
	maps, err := ownMaps()
	if err != nil {
		return nil, err
	}
	if f.Runtime, err = container.NewRuntime(f.paths, maps); err != nil {
		return nil, err
	}
	if f.sandbox, err = sandbox.Start(f.paths, "sandbox", sandbox.Config{UID: podUID, Hostname: "oracle", Maps: maps}); err != nil {
		return nil, err
	}
	f.Files.Shm = f.paths.PodShm(podUID)
	f.Pidfd, err = f.sandbox.Open()
	return f, err
}

// Close ends the pause. What is in Dir is the caller's to remove.
func (f *Fixture) Close() error {
	f.Pidfd.Close()
	err := f.sandbox.Stop(f.paths, podUID)
	_, _ = unix.Wait4(f.sandbox.Process.Pid, nil, 0, nil)
	return err
}

func (f *Fixture) makeImage(program string) error {
	f.lower = filepath.Join(f.Dir, "image")
	for _, dir := range []string{"", "etc", "tmp", "work"} {
		if err := os.MkdirAll(filepath.Join(f.lower, dir), 0o755); err != nil {
			return err
		}
	}
	return f.AddProgram("probe", program)
}

// AddProgram puts a program into the image, under a name in its root.
func (f *Fixture) AddProgram(name, program string) error {
	content, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(f.lower, name), content, 0o755)
}

func (f *Fixture) makeFiles() error {
	f.Files = container.Files{Hosts: f.host("hosts"), Hostname: f.host("hostname"), ResolvConf: f.host("resolv.conf")}
	for _, path := range []string{f.Files.Hosts, f.Files.Hostname, f.Files.ResolvConf, f.host("file")} {
		if err := os.WriteFile(path, []byte("x\n"), 0o644); err != nil {
			return err
		}
	}
	return os.Mkdir(f.host("folder"), 0o755)
}

// host is the path of a file or folder that can be bind mounted: hosts, file, folder.
func (f *Fixture) host(name string) string { return filepath.Join(f.Dir, name) }

// ownMaps are the caller's id maps, as userns.Nested wants them.
func ownMaps() (m userns.Maps, err error) {
	for _, kind := range []struct {
		file string
		to   *[]syscall.SysProcIDMap
	}{{"uid_map", &m.UIDs}, {"gid_map", &m.GIDs}} {
		text, err := os.ReadFile("/proc/self/" + kind.file)
		if err != nil {
			return m, err
		}
		for line := range strings.Lines(string(text)) {
			var e syscall.SysProcIDMap
			if _, err := fmt.Sscan(line, &e.ContainerID, &e.HostID, &e.Size); err != nil {
				return m, fmt.Errorf("/proc/self/%s: %w", kind.file, err)
			}
			*kind.to = append(*kind.to, e)
		}
	}
	return m, nil
}

// Spec is the specification that the node writes for a container of the Pod that runs /probe.
func (f *Fixture) Spec(c corev1.Container, u container.User, args ...string) (*specs.Spec, error) {
	c.Name = "probe"
	profile, err := f.Runtime.Seccomp(container.SeccompProfile(&corev1.Pod{}, &c), container.Granted(&c))
	if err != nil {
		return nil, err
	}
	return container.Spec(container.Config{
		Pod: &corev1.Pod{}, Container: &c, Image: imgspecv1.ImageConfig{Entrypoint: append([]string{"/probe"}, args...)},
		Env: []string{"POD=oracle"}, Hostname: "oracle", User: u, PausePid: f.sandbox.Process.Pid, RootPath: "rootfs", Files: f.Files, Seccomp: profile,
	})
}

// Mount mounts the image for one container. Its file is the caller's to close.
func (f *Fixture) Mount(id string) (*container.Root, error) {
	return f.Runtime.Mount(id, []string{f.lower})
}

// Unmount removes what Mount made; the mount must be gone.
func (f *Fixture) Unmount(id string) error { return f.Runtime.Remove(id) }

// Bundle makes a bundle with a fresh mount of the image, for a runtime that is given a folder.
func (f *Fixture) Bundle(id string, spec *specs.Spec) (dir string, remove func() error, err error) {
	dir = filepath.Join(f.Dir, "bundle-"+id)
	rootfs := filepath.Join(dir, "rootfs")
	if err := os.MkdirAll(rootfs, 0o755); err != nil {
		return "", nil, err
	}
	root, err := f.Mount(id)
	if err != nil {
		return "", nil, err
	}
	defer root.File.Close()
	if err := unix.MoveMount(int(root.File.Fd()), "", unix.AT_FDCWD, rootfs, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return "", nil, &os.PathError{Op: "move_mount", Path: rootfs, Err: err}
	}
	given := *spec
	given.Version = "1.0.2" // of what is used nothing is newer, and crun 1.8 takes nothing newer
	text, err := json.Marshal(given)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "config.json"), text, 0o644)
	}
	return dir, func() error {
		return errors.Join(unix.Unmount(rootfs, unix.MNT_DETACH), os.RemoveAll(dir), f.Unmount(id))
	}, err
}

// Namespaces are the caller's and the pause's namespaces by what /proc/<pid>/ns/<type> links to: "host" and "pod".
func (f *Fixture) Namespaces() map[string]string {
	known := map[string]string{}
	for _, whose := range []struct{ pid, name string }{{strconv.Itoa(f.sandbox.Process.Pid), "pod"}, {"self", "host"}} {
		entries, _ := os.ReadDir("/proc/" + whose.pid + "/ns")
		for _, e := range entries {
			if target, err := os.Readlink("/proc/" + whose.pid + "/ns/" + e.Name()); err == nil {
				known[target] = whose.name
			}
		}
	}
	return known
}
