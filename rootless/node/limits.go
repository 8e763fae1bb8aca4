package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/cgroup"
	"github.com/peapod/peapod/rootless/container"
)

// openCgroups takes over the cgroup that the node was started in, if it was delegated to the user. Without one there are
// no limits, and kube names the fields that so have no effect.
func (n *Node) openCgroups() error {
	m, err := cgroup.Probe()
	if errors.Is(err, cgroup.ErrNotDelegated) {
		n.log.Info("containers run without cgroups of their own", "reason", err)
		return nil
	}
	if err != nil {
		return err
	}
	if err := m.Enter(); err != nil {
		return fmt.Errorf("enter the node's cgroup: %w", err)
	}
	n.cgroups = m
	return nil
}

// makeGroup makes the cgroup of a container below the Pod's, and returns the descriptor to start it by. Without cgroups it is nil.
func (p *pod) makeGroup(id string, c *corev1.Container) (*os.File, error) {
	if p.node.cgroups == nil {
		return nil, nil
	}
	group, err := p.node.cgroups.Create(string(p.uid), cgroup.Limits{})
	if err == nil {
		group, err = group.Create(id, limits(c.Resources))
	}
	if err != nil {
		return nil, fmt.Errorf("make the container's cgroup: %w", err)
	}
	return group.Open()
}

// limits are a container's resources as a cgroup has them. What only the kubelet's scheduler or eviction uses is left out.
func limits(r corev1.ResourceRequirements) cgroup.Limits {
	return cgroup.Limits{CPU: r.Limits.Cpu().MilliValue(), CPURequest: r.Requests.Cpu().MilliValue(), Memory: r.Limits.Memory().Value()}
}

// groupPath is the directory of a descriptor that makeGroup returned; "" without one.
func groupPath(f *os.File) string {
	if f == nil {
		return ""
	}
	return f.Name()
}

// openGroup opens the cgroup of a container that runs, so that a command executed in it is limited with it.
func openGroup(o container.Owner) (*os.File, error) {
	if o.Cgroup == "" {
		return nil, nil
	}
	return os.OpenFile(o.Cgroup, os.O_RDONLY, 0)
}

// removeGroup removes a container's cgroup, and the Pod's when it was the last one in it.
func (p *pod) removeGroup(o container.Owner) {
	if o.Cgroup == "" {
		return
	}
	if err := cgroup.Remove(o.Cgroup); err != nil {
		p.log.Error("remove a container's cgroup", "error", err)
	}
	_ = os.Remove(filepath.Dir(o.Cgroup)) // fails while another container is in it
}
