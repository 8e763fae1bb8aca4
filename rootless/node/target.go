package node

import (
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/sandbox"
)

// target is the container whose processes an ephemeral container sees; the zero value is none.
type target struct {
	pid   int
	pidfd *os.File
}

func (t target) close() {
	if t.pidfd != nil {
		t.pidfd.Close()
	}
}

// openTarget finds the target of a container, if it has one. Where all of a Pod's containers share a process namespace, or are in the host's, it is seen
// anyway.
func (p *pod) openTarget(object *corev1.Pod, name string) (target, error) {
	wanted := targetOf(object, name)
	if wanted == "" || sandbox.SharesProcesses(&object.Spec) {
		return target{}, nil
	}
	for _, i := range p.crew.all() {
		if i.Owner.Name != wanted || !i.running() {
			continue
		}
		pidfd, err := i.Process.Open()
		if err != nil {
			return target{}, fmt.Errorf("target container %s: %w", wanted, err)
		}
		return target{i.Process.Pid, pidfd}, nil
	}
	return target{}, fmt.Errorf("unable to find target container %s", wanted)
}

func targetOf(object *corev1.Pod, name string) string {
	for i := range object.Spec.EphemeralContainers {
		if e := &object.Spec.EphemeralContainers[i]; e.Name == name {
			return e.TargetContainerName
		}
	}
	return ""
}
