package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/cgroup"
	"github.com/peapod/peapod/rootless/container"
	"github.com/peapod/peapod/rootless/kube"
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
func (p *pod) makeGroup(id string, object *corev1.Pod, c *corev1.Container) (*os.File, error) {
	if p.node.cgroups == nil {
		return nil, nil
	}
	group, err := p.node.cgroups.Create(string(p.uid), p.node.podLimits(object))
	if err == nil {
		group, err = group.Create(id, limits(object, c))
	}
	if err != nil {
		return nil, fmt.Errorf("make the container's cgroup: %w", err)
	}
	return group.Open()
}

// pids is the controller that counts processes.
const pids = "pids"

// maxProcesses is how many processes each container may have where no cgroup counts those of the Pod; 0: any number.
func (n *Node) maxProcesses() int64 {
	if n.cgroups != nil && n.cgroups.Limits(pids) {
		return 0
	}
	return n.options.PodMaxPids
}

// endGroup ends what is left in the cgroup of a container whose first process has ended, and tells whether the kernel has killed anything in
// it for want of memory.
func (p *pod) endGroup(o container.Owner) (oomKilled bool) {
	if o.Cgroup == "" {
		return false
	}
	group := cgroup.Existing(o.Cgroup)
	kills, err := group.OOMKills()
	if err == nil {
		err = group.Kill()
	}
	if err != nil {
		p.log.Error("end a container's cgroup", "error", err)
	}
	return kills > 0
}

// limits are a container's resources as a cgroup has them. What only the kubelet's scheduler or eviction uses is left out.
func limits(pod *corev1.Pod, c *corev1.Container) cgroup.Limits {
	return cgroup.Limits{
		CPU: kube.Limit(pod, c, corev1.ResourceCPU), CPURequest: c.Resources.Requests.Cpu().MilliValue(), Memory: kube.Limit(pod, c, corev1.ResourceMemory),
	}
}

// podLimits are those of all of a Pod's containers together.
func (n *Node) podLimits(pod *corev1.Pod) cgroup.Limits {
	var l cgroup.Limits
	if r := pod.Spec.Resources; r != nil {
		l = cgroup.Limits{CPU: r.Limits.Cpu().MilliValue(), CPURequest: r.Requests.Cpu().MilliValue(), Memory: r.Limits.Memory().Value()}
	}
	if n.cgroups.Limits(pids) {
		l.Pids = n.options.PodMaxPids
	}
	return l
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
	if err := cgroup.Existing(o.Cgroup).Remove(); err != nil {
		p.log.Error("remove a container's cgroup", "error", err)
	}
	_ = os.Remove(filepath.Dir(o.Cgroup)) // fails while another container is in it
}
