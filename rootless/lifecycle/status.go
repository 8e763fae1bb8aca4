package lifecycle

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/peapod/peapod/rootless/kube"
)

// Status derives what the API shows. It changes only with a step.
func (p *Pod) Status(node kube.Node) corev1.PodStatus {
	status := corev1.PodStatus{
		ObservedGeneration: p.Object.Generation,
		Phase:              p.phase(),
		QOSClass:           kube.QOS(p.Object),
	}
	if p.Failure != nil {
		status.Reason, status.Message = p.Failure.Reason, p.Failure.Message
	}
	if !p.StartTime.IsZero() {
		start := metav1.NewTime(p.StartTime)
		status.StartTime = &start
	}
	for i, ip := range node.IPs {
		if i == 0 {
			status.HostIP = ip
		}
		status.HostIPs = append(status.HostIPs, corev1.HostIP{IP: ip})
	}
	for i, ip := range p.shownIPs() {
		if i == 0 {
			status.PodIP = ip
		}
		status.PodIPs = append(status.PodIPs, corev1.PodIP{IP: ip})
	}
	for i := range p.Containers {
		list := &status.ContainerStatuses
		switch p.role(&p.Containers[i]) {
		case initial, sidecar:
			list = &status.InitContainerStatuses
		case ephemeral:
			list = &status.EphemeralContainerStatuses
		}
		*list = append(*list, p.containerStatus(&p.Containers[i]))
	}
	status.Conditions = p.conditions()
	for i := range status.Conditions {
		status.Conditions[i].ObservedGeneration = p.Object.Generation
		status.Conditions[i].LastTransitionTime = metav1.NewTime(p.since(status.Conditions[i].Type))
	}
	return status
}

// shownIPs are the addresses while they are the Pod's, and the last ones of a Pod that is coming or has come to its end.
func (p *Pod) shownIPs() []string {
	if p.Sandbox.Phase == HaveSandbox || p.deleting() || p.over() {
		return p.Sandbox.IPs
	}
	return nil
}

func (p *Pod) containerStatus(c *Container) corev1.ContainerStatus {
	started := p.started(c)
	status := corev1.ContainerStatus{
		Name:    c.Name,
		Image:   p.spec(c).Image,
		Ready:   p.ready(c),
		Started: &started,
	}
	if p.role(c) == ephemeral { // nobody waits for it: the kubelet says neither
		status.Ready, status.Started = false, nil
	}
	p.tellResources(c, &status)
	if i := c.Now; i != nil {
		status.RestartCount, status.Image, status.ImageID, status.ContainerID = i.Attempt, i.Image, i.ImageID, idScheme+i.ID
	}
	switch {
	case c.running() && !c.up():
		status.State.Waiting = p.waiting(c)
		status.LastTerminationState.Terminated = c.Last.terminated()
	case c.running():
		status.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(c.Now.StartedAt)}
		status.LastTerminationState.Terminated = c.Last.terminated()
	case c.Now == nil || p.shownWaiting(c):
		status.State.Waiting = p.waiting(c)
		status.LastTerminationState.Terminated = c.Now.terminated()
	default:
		status.State.Terminated = c.Now.terminated()
		status.LastTerminationState.Terminated = c.Last.terminated()
	}
	return status
}

// restarts says whether the container ended and will run again.
func (p *Pod) restarts(c *Container) bool {
	return c.exited() && !p.deleting() && !p.over() && p.wanted(c)
}

// shownWaiting says whether an ended container is shown as waiting: something holds its restart up. If nothing does, its end is
// shown until the next instance runs.
func (p *Pod) shownWaiting(c *Container) bool {
	held := !c.Crash.Until.IsZero() || c.Refused != nil || c.Image.Reason != ""
	return held && p.restarts(c)
}

// waiting tells why a container waits, in the kubelet's words. A reason stays until what it is about has succeeded, also
// while that is tried again.
func (p *Pod) waiting(c *Container) *corev1.ContainerStateWaiting {
	switch image := &c.Image; {
	case image.Reason != "" && image.Phase != FailedImage && image.backsOff():
		return &corev1.ContainerStateWaiting{Reason: imagePullBackOff,
			Message: fmt.Sprintf("Back-off pulling image %q: %s: %s", image.Name, image.Reason, image.Error)}
	case image.Reason != "":
		return &corev1.ContainerStateWaiting{Reason: image.Reason, Message: image.Error}
	case !c.Crash.Until.IsZero():
		return &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff",
			Message: fmt.Sprintf("back-off %v restarting failed container=%s pod=%s", c.Crash.Until.Sub(c.Now.FinishedAt), c.Name, p.longName())}
	case c.Refused != nil:
		return &corev1.ContainerStateWaiting{Reason: c.Refused.Reason, Message: c.Refused.Message}
	}
	return &corev1.ContainerStateWaiting{Reason: p.beginning()}
}

// beginning is the reason of a container that just has not started yet.
func (p *Pod) beginning() string {
	if len(p.Object.Spec.InitContainers) > 0 {
		return "PodInitializing"
	}
	return "ContainerCreating"
}

// terminated is the instance's end; nil if there is no instance or it runs.
func (i *Instance) terminated() *corev1.ContainerStateTerminated {
	if i == nil || i.FinishedAt.IsZero() {
		return nil
	}
	return &corev1.ContainerStateTerminated{
		ExitCode: i.ExitCode, Signal: i.Signal, Reason: i.Reason, Message: i.Message,
		StartedAt: metav1.NewTime(i.StartedAt), FinishedAt: metav1.NewTime(i.FinishedAt),
		ContainerID: idScheme + i.ID,
	}
}
