package lifecycle

import (
	"fmt"
	"strings"
	"time"

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
		status.ContainerStatuses = append(status.ContainerStatuses, p.containerStatus(&p.Containers[i]))
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

// restarts says whether the container ended and will run again.
func (p *Pod) restarts(c *Container) bool { return c.exited() && !p.deleting() && p.wanted(c) }

// phase follows the kubelet's getPhase: a container that waits for its restart counts as stopped.
func (p *Pod) phase() corev1.PodPhase {
	var waiting, running, succeeded int
	for i := range p.Containers {
		switch c := &p.Containers[i]; {
		case c.running():
			running++
		case !c.exited():
			waiting++
		case c.Now.ExitCode == 0 && !p.shownWaiting(c):
			succeeded++
		}
	}
	switch {
	case waiting > 0:
		return corev1.PodPending
	case running > 0:
		return corev1.PodRunning
	case !p.allIdle(), !p.deleting() && !p.over(): // all are down, some will be restarted or are just being
		return corev1.PodRunning
	case succeeded == len(p.Containers):
		return corev1.PodSucceeded
	}
	return corev1.PodFailed
}

func (p *Pod) containerStatus(c *Container) corev1.ContainerStatus {
	running := c.running()
	status := corev1.ContainerStatus{
		Name:    c.Name,
		Image:   p.spec(c).Image,
		Ready:   running,
		Started: &running,
	}
	if i := c.Now; i != nil {
		status.RestartCount, status.Image, status.ImageID, status.ContainerID = i.Attempt, i.Image, i.ImageID, idScheme+i.ID
	}
	switch {
	case running:
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
	return &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}
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

// conditions are the Pod's conditions without their times, in the order in which a Pod gets through them.
func (p *Pod) conditions() []corev1.PodCondition {
	ready := p.containersReady()
	podReady := ready
	podReady.Type = corev1.PodReady
	sandbox := corev1.ConditionFalse
	if p.Sandbox.Phase == HaveSandbox {
		sandbox = corev1.ConditionTrue
	}
	initialized := corev1.PodCondition{Type: corev1.PodInitialized, Status: corev1.ConditionTrue}
	if p.phase() == corev1.PodSucceeded {
		initialized.Reason = "PodCompleted"
	}
	return []corev1.PodCondition{
		{Type: corev1.PodReadyToStartContainers, Status: sandbox},
		initialized, podReady, ready,
		{Type: corev1.PodScheduled, Status: corev1.ConditionTrue},
	}
}

func (p *Pod) containersReady() corev1.PodCondition {
	condition := corev1.PodCondition{Type: corev1.ContainersReady, Status: corev1.ConditionFalse}
	switch p.phase() {
	case corev1.PodSucceeded:
		condition.Reason = "PodCompleted"
		return condition
	case corev1.PodFailed:
		condition.Reason = "PodFailed"
		return condition
	}
	var unready []string
	for i := range p.Containers {
		if !p.Containers[i].running() {
			unready = append(unready, p.Containers[i].Name)
		}
	}
	if len(unready) == 0 {
		condition.Status = corev1.ConditionTrue
		return condition
	}
	condition.Reason = "ContainersNotReady"
	condition.Message = fmt.Sprintf("containers with unready status: [%s]", strings.Join(unready, " "))
	return condition
}

// noteConditions records which conditions have changed in this step.
func (p *Pod) noteConditions(now time.Time) {
	for _, c := range p.conditions() {
		noted := p.noted(c.Type)
		if noted == nil {
			p.Conditions = append(p.Conditions, Condition{Type: c.Type, Status: c.Status, Since: now})
		} else if noted.Status != c.Status {
			noted.Status, noted.Since = c.Status, now
		}
	}
}

func (p *Pod) noted(t corev1.PodConditionType) *Condition {
	for i := range p.Conditions {
		if p.Conditions[i].Type == t {
			return &p.Conditions[i]
		}
	}
	return nil
}

func (p *Pod) since(t corev1.PodConditionType) time.Time {
	if noted := p.noted(t); noted != nil {
		return noted.Since
	}
	return p.StartTime
}
