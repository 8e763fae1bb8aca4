package oci

import (
	"cmp"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/container"
)

// A variant is a container of a Pod, and what is changed in its config.json beyond what a Pod can say here.
type variant struct {
	name      string
	container corev1.Container
	user      container.User
	change    func(f *Fixture, s *specs.Spec)
}

func (v variant) spec(t *testing.T, f *Fixture) *specs.Spec {
	t.Helper()
	v.user.Home = cmp.Or(v.user.Home, "/") // as the node does; without HOME crun would make one up
	s, err := f.Spec(v.container, v.user)
	if err != nil {
		t.Fatal(err)
	}
	if v.change != nil {
		v.change(f, s)
	}
	return s
}

func ptr[T any](v T) *T { return &v }

var variants = []variant{
	{name: "default", user: container.User{Home: "/root", Groups: []uint32{0}}},
	{
		name: "restricted", user: container.User{UID: 101, GID: 101, Home: "/", Groups: []uint32{101}},
		container: corev1.Container{WorkingDir: "/work", SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: ptr(false), ReadOnlyRootFilesystem: ptr(true),
			Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		}},
	},
	{name: "privileged", container: corev1.Container{SecurityContext: &corev1.SecurityContext{Privileged: ptr(true)}}},
	{
		name: "unmasked", container: corev1.Container{SecurityContext: &corev1.SecurityContext{ProcMount: ptr(corev1.UnmaskedProcMount)}},
	},
	{
		name: "user", user: container.User{UID: 1000, GID: 2000, Home: "/home", Groups: []uint32{7, 8, 2000}},
		container: corev1.Container{WorkingDir: "/work", SecurityContext: &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"NET_ADMIN"}}}},
		change: func(_ *Fixture, s *specs.Spec) {
			s.Process.User.Umask = ptr(uint32(0o077))
			s.Process.Capabilities.Inheritable = []string{"CAP_NET_BIND_SERVICE"}
			s.Process.Capabilities.Ambient = []string{"CAP_NET_BIND_SERVICE"}
		},
	},
	{name: "readonly", container: corev1.Container{SecurityContext: &corev1.SecurityContext{ReadOnlyRootFilesystem: ptr(true)}}},
	{
		name: "unconfined",
		container: corev1.Container{SecurityContext: &corev1.SecurityContext{
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined},
		}},
	},
	{
		name: "tmpfs",
		change: func(_ *Fixture, s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/scratch", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "size=1048576", "mode=1777"}})
		},
	},
	{
		name: "binds",
		change: func(f *Fixture, s *specs.Spec) {
			s.Mounts = append(s.Mounts,
				specs.Mount{Destination: "/data", Type: "bind", Source: f.host("folder"), Options: []string{"rbind", "rprivate", "ro", "nosuid", "nodev"}},
				specs.Mount{Destination: "/scratch", Type: "bind", Source: f.host("folder"), Options: []string{"rbind", "rprivate"}},
			)
		},
	},
	{
		name: "limits",
		change: func(_ *Fixture, s *specs.Spec) {
			s.Process.Rlimits = []specs.POSIXRlimit{
				{Type: "RLIMIT_NOFILE", Soft: 100, Hard: 200}, {Type: "RLIMIT_CORE", Soft: 0, Hard: 0}, {Type: "RLIMIT_NPROC", Soft: 500, Hard: 600},
			}
			s.Process.OOMScoreAdj = ptr(500)
		},
	},
	{
		name: "sysctls",
		change: func(_ *Fixture, s *specs.Spec) {
			s.Linux.Sysctl = map[string]string{"net.core.somaxconn": "512", "net.ipv4.ip_unprivileged_port_start": "80"}
		},
	},
	{
		name: "cwd", user: container.User{UID: 1000, GID: 1000, Groups: []uint32{1000}},
		container: corev1.Container{WorkingDir: "/work/dir"},
	},
}
