package sandbox

import (
	"flag"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/peapod/peapod/rootless/userns"
)

var update = flag.Bool("update", false, "rewrite the golden file")

func TestPausePlanGolden(t *testing.T) {
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 1000, Size: 1}, {ContainerID: 1, HostID: 100000, Size: 65536}}
	for name, share := range map[string]bool{"pause.plan": false, "pause-shared.plan": true} {
		got := compile(Config{
			Hostname: "demo", Maps: userns.Maps{UIDs: ids, GIDs: ids}, ShareProcesses: share,
			Sysctls: map[string]string{"net.ipv4.ip_unprivileged_port_start": "0", "kernel.shmmax": "1"},
		}, "/run/staging").String()
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
