package container

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// rootWith makes a root file system with the given /etc/passwd and /etc/group.
func rootWith(t testing.TB, passwd, group string) *os.File {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"passwd": passwd, "group": group} {
		if err := os.WriteFile(filepath.Join(dir, "etc", name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return open(t, dir)
}

func open(t testing.TB, dir string) *os.File {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

const (
	passwd = "root:x:0:0:root:/root:/bin/sh\nweb:x:101:102:web:/var/web:/bin/false\n"
	group  = "root:x:0:\nweb:x:102:\nlogs:x:7:web\n"
)

func TestResolveUser(t *testing.T) {
	root := rootWith(t, passwd, group)
	for _, test := range []struct {
		name, image string
		pod         corev1.PodSecurityContext
		container   corev1.SecurityContext
		want        User
	}{
		{"nothing", "", corev1.PodSecurityContext{}, corev1.SecurityContext{}, User{Home: "/root", Groups: []uint32{0}}},
		{"name", "web", corev1.PodSecurityContext{}, corev1.SecurityContext{}, User{UID: 101, GID: 102, Home: "/var/web", Groups: []uint32{7, 102}}},
		{"name and group", "web:root", corev1.PodSecurityContext{}, corev1.SecurityContext{}, User{UID: 101, GID: 0, Home: "/var/web", Groups: []uint32{0}}},
		{"unknown number", "4242", corev1.PodSecurityContext{}, corev1.SecurityContext{}, User{UID: 4242, Home: "/", Groups: []uint32{0}}},
		{"pod", "web", corev1.PodSecurityContext{RunAsUser: ptr(int64(5)), RunAsGroup: ptr(int64(6)), SupplementalGroups: []int64{9, 8, 9}}, corev1.SecurityContext{},
			User{UID: 5, GID: 6, Home: "/", Groups: []uint32{6, 8, 9}}},
		{"container before pod", "web", corev1.PodSecurityContext{RunAsUser: ptr(int64(5))}, corev1.SecurityContext{RunAsUser: ptr(int64(101))},
			User{UID: 101, GID: 102, Home: "/var/web", Groups: []uint32{7, 102}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			pod := &corev1.Pod{Spec: corev1.PodSpec{SecurityContext: &test.pod}}
			got, err := ResolveUser(root, test.image, pod, &corev1.Container{SecurityContext: &test.container})
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
	if _, err := ResolveUser(root, "missing", &corev1.Pod{}, &corev1.Container{}); err == nil || !strings.Contains(err.Error(), `"missing"`) {
		t.Errorf("an unknown name: %v", err)
	}
}

func TestRunAsNonRoot(t *testing.T) {
	root, nonRoot := rootWith(t, passwd, group), &corev1.SecurityContext{RunAsNonRoot: ptr(true)}
	if _, err := ResolveUser(root, "", &corev1.Pod{}, &corev1.Container{SecurityContext: nonRoot}); !errors.Is(err, ErrRunAsNonRoot) {
		t.Errorf("root: %v", err)
	}
	if _, err := ResolveUser(root, "web", &corev1.Pod{}, &corev1.Container{SecurityContext: nonRoot}); err != nil {
		t.Errorf("web: %v", err)
	}
}

// TestHostilePasswd gives an image files that lead elsewhere, or nowhere.
func TestHostilePasswd(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"absolute link": func(path string) error { return os.Symlink("/etc/passwd", path) },
		"climbing link": func(path string) error { return os.Symlink("../../../../../../../../etc/passwd", path) },
		"magic link":    func(path string) error { return os.Symlink("/proc/self/root/etc/passwd", path) },
		"fifo":          func(path string) error { return unix.Mkfifo(path, 0o644) },
		"folder":        func(path string) error { return os.Mkdir(path, 0o755) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "etc"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := make(filepath.Join(dir, "etc", "passwd")); err != nil {
				t.Fatal(err)
			}
			// daemon is in the host's passwd, and in no image's of this test.
			if u, err := ResolveUser(open(t, dir), "daemon", &corev1.Pod{}, &corev1.Container{}); err == nil {
				t.Errorf("the host's user was found: %+v", u)
			}
		})
	}
}

// TestHugePasswd: what is behind the bound is not read, however long the file is.
func TestHugePasswd(t *testing.T) {
	filler := strings.Repeat("a:x:1:1::/:/bin/sh\n", maxAccounts/19+1)
	root := rootWith(t, "first:x:5:5::/first:\n"+filler+"last:x:6:6::/last:\n", "")
	if u, err := ResolveUser(root, "first", &corev1.Pod{}, &corev1.Container{}); err != nil || u.UID != 5 {
		t.Errorf("the first user: %+v, %v", u, err)
	}
	if u, err := ResolveUser(root, "last", &corev1.Pod{}, &corev1.Container{}); err == nil {
		t.Errorf("a user behind the bound was found: %+v", u)
	}
}

func FuzzResolveUser(f *testing.F) {
	f.Add(passwd, group, "web:logs")
	f.Add(":::::\n::", "::::", "0:0")
	f.Add(strings.Repeat("a", 70000), "\n", "x")
	f.Fuzz(func(t *testing.T, passwd, group, image string) {
		_, _ = ResolveUser(rootWith(t, passwd, group), image, &corev1.Pod{}, &corev1.Container{})
	})
}

func TestHasApt(t *testing.T) {
	for link, want := range map[string]bool{"": true, "/usr/apt.conf.d": true, "missing": false, "/proc/self/root/etc": false} {
		dir := t.TempDir()
		place := filepath.Join(dir, filepath.Dir(aptConf))
		if err := errors.Join(os.MkdirAll(filepath.Dir(place), 0o755), os.MkdirAll(filepath.Join(dir, "usr/apt.conf.d"), 0o755)); err != nil {
			t.Fatal(err)
		}
		make := func() error { return os.Mkdir(place, 0o755) }
		if link != "" {
			make = func() error { return os.Symlink(link, place) }
		}
		if err := make(); err != nil {
			t.Fatal(err)
		}
		if got := HasApt(open(t, dir)); got != want {
			t.Errorf("a link to %q: %v", link, got)
		}
	}
	if HasApt(rootWith(t, passwd, group)) {
		t.Error("an image without apt has it")
	}
}
