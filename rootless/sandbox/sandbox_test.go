package sandbox

import (
	"flag"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/userns"
)

var update = flag.Bool("update", false, "rewrite the golden file")

func TestPausePlanGolden(t *testing.T) {
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 1000, Size: 1}, {ContainerID: 1, HostID: 100000, Size: 65536}}
	all := HostNamespaces(&corev1.PodSpec{HostNetwork: true, HostPID: true, HostIPC: true})
	for name, c := range map[string]Config{"pause.plan": {}, "pause-shared.plan": {ShareProcesses: true}, "pause-host.plan": {Host: all}} {
		c.Hostname, c.Maps = "demo", userns.Maps{UIDs: ids, GIDs: ids}
		c.Sysctls = map[string]string{"net.ipv4.ip_unprivileged_port_start": "0"}
		if c.Host == 0 {
			c.Sysctls["kernel.shmmax"] = "1"
		}
		got := compile(c, "/run/staging").String()
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: the pause's plan has changed:\n%s", name, got)
		}
	}
}
