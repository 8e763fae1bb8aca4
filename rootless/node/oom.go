package node

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/kube"
)

// oomScore is a container's oom_score_adj. It is never less than the node's own: to become a less likely victim takes
// CAP_SYS_RESOURCE on the host (proc(5)).
func oomScore(pod *corev1.Pod, c *corev1.Container) (int, error) {
	const file = "/proc/self/oom_score_adj"
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	own, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, os.NewSyscallError("sysinfo", err)
	}
	return max(own, kube.OOMScoreAdj(pod, c, int64(info.Totalram)*int64(info.Unit))), nil
}
