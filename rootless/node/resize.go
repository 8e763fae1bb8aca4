package node

import (
	"fmt"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/cgroup"
	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/lifecycle"
)

// resizeContainer answers lifecycle.ResizeContainer. Without a cgroup there is nothing to change: kube has named what has no effect.
func (p *pod) resizeContainer(object *corev1.Pod, a lifecycle.ResizeContainer) lifecycle.Event {
	answer := lifecycle.ContainerResized{Container: a.Container, Attempt: a.Attempt}
	i := p.crew.get(a.ID)
	if i == nil || i.Owner.Cgroup == "" || p.node.cgroups == nil {
		return answer
	}
	c := kube.FindContainer(object, a.Container)
	container, whole := p.node.cgroups.Adopt(i.Owner.Cgroup), p.node.cgroups.Adopt(filepath.Dir(i.Owner.Cgroup))
	if err := resizeGroup(whole, p.node.podLimits(object), "pod"); err != nil {
		answer.Err = err.Error()
	} else if err := resizeGroup(container, limits(object, c), fmt.Sprintf("container %q", c.Name)); err != nil {
		answer.Err = err.Error()
	}
	return answer
}

// resizeGroup changes the limits of a group, unless that would have the kernel kill somebody at once; the words are the kubelet's.
func resizeGroup(g *cgroup.Group, l cgroup.Limits, of string) error {
	if l.Memory > 0 {
		used, err := g.Memory()
		if err != nil {
			return err
		}
		if used >= l.Memory {
			return fmt.Errorf("cannot decrease memory limits: attempting to set %s memory limit (%d) below current usage (%d)", of, l.Memory, used)
		}
	}
	return g.Set(l)
}
