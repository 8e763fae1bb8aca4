package node

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/api"
	"github.com/peapod/peapod/rootless/kube"
)

// pauseName is the container name that container runtimes give a Pod's pause.
const pauseName = "POD"

// kubernetesVersion is that of the API types the node is built with.
const kubernetesVersion = "v1.37.2"

// pauseImage stands in the image column of a pause, which has none.
const pauseImage = "peapod/pause"

// Containers is in api.Backend.
func (n *Node) Containers() ([]api.Container, error) {
	var all []api.Container
	for _, object := range n.registry.pods() {
		p := n.find(object)
		if p == nil {
			continue
		}
		if s := p.crew.getSandbox(); s != nil {
			c := n.describe(object, pauseName, 0)
			c.ID, c.Created, c.Path, c.Image, c.ImageName = s.ID, s.CreatedAt, "pause", pauseImage, pauseImage
			c.State = api.ContainerState{Status: "running", Running: true, Pid: s.Process.Pid, StartedAt: s.CreatedAt}
			all = append(all, c)
		}
		instances := p.crew.all()
		slices.SortFunc(instances, func(a, b *instance) int {
			return cmp.Or(cmp.Compare(a.Owner.Name, b.Owner.Name), cmp.Compare(a.Owner.Attempt, b.Owner.Attempt))
		})
		for _, i := range instances {
			all = append(all, n.describeInstance(object, i))
		}
	}
	return all, nil
}

// describe is what is the same for all containers of a Pod.
func (n *Node) describe(object *corev1.Pod, name string, attempt int32) api.Container {
	gateway := n.hub.Gateway()
	c := api.Container{
		Name:          fmt.Sprintf("k8s_%s_%s_%s_%s_%d", name, object.Name, object.Namespace, object.UID, attempt),
		ContainerName: name, RestartCount: int(attempt),
		Pod:             api.PodReference{Namespace: object.Namespace, Name: object.Name, UID: string(object.UID)},
		NetworkSettings: api.NetworkSettings{Gateway: gateway.V4.String(), IPv6Gateway: gateway.V6.String()},
	}
	for i, ip := range object.Status.PodIPs {
		if i == 0 {
			c.NetworkSettings.IPAddress = ip.IP
		} else {
			c.NetworkSettings.GlobalIPv6Address = ip.IP
		}
	}
	return c
}

func (n *Node) describeInstance(object *corev1.Pod, i *instance) api.Container {
	c := n.describe(object, i.Owner.Name, i.Owner.Attempt)
	c.ID, c.Created, c.Image, c.LogPath, c.Bundle = i.ID, i.CreatedAt, i.imageID, i.logPath, n.paths.ContainerRun(i.ID)
	if spec := kube.FindContainer(object, i.Owner.Name); spec != nil {
		c.ImageName = spec.Image
	}
	if _, spec, err := n.runtime.Load(i.ID); err == nil {
		c.Path, c.Args = spec.Process.Args[0], spec.Process.Args[1:]
	}
	c.State = api.ContainerState{Status: "exited", StartedAt: i.CreatedAt}
	if i.running() {
		c.State = api.ContainerState{Status: "running", Running: true, Pid: n.runtime.FirstPid(i.Container), StartedAt: i.CreatedAt}
		return c
	}
	if t := terminated(object, i.ID); t != nil {
		c.State.ExitCode, c.State.Error, c.State.FinishedAt = int(t.ExitCode), t.Message, t.FinishedAt.Time
	}
	return c
}

// terminated finds how an instance ended in the Pod's status.
func terminated(object *corev1.Pod, id string) *corev1.ContainerStateTerminated {
	for _, s := range kube.Statuses(object) {
		for _, t := range []*corev1.ContainerStateTerminated{s.State.Terminated, s.LastTerminationState.Terminated} {
			if t != nil && trimScheme(t.ContainerID) == id {
				return t
			}
		}
	}
	return nil
}

// Version is in api.Backend.
func (n *Node) Version() api.Version {
	return api.Version{
		Version: n.options.Version, GitCommit: n.options.GitCommit, GoVersion: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH, Kubernetes: kubernetesVersion,
		Pid: os.Getpid(), DataDir: n.paths.Data, RunDir: n.paths.Run, ImageStore: n.images.Root(), Network: n.hub.Engine(),
	}
}
