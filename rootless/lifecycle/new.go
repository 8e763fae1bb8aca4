package lifecycle

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/kube"
)

// idScheme stands before a container's id in the API.
const idScheme = "peapod://"

// New begins the facts of a Pod that has none: a new one, or one whose facts went with a reboot. Of the latter the stored
// status tells what its containers came to, so that a Pod that ran to its end does not run again. The next event is Added.
func New(object *corev1.Pod, now time.Time) *Pod {
	p := &Pod{Object: object}
	if object.Status.StartTime != nil {
		p.StartTime = object.Status.StartTime.Time
	}
	for _, spec := range kube.Containers(object) {
		c := Container{Name: spec.Name}
		for _, status := range kube.Statuses(object) {
			if status.Name == c.Name && status.ContainerID != "" {
				c.Now, c.Last = instances(*status, now.Round(0))
			}
		}
		p.Containers = append(p.Containers, c)
	}
	if object.Status.Phase == corev1.PodFailed && object.Status.Reason != "" {
		p.Failure = &Failure{Reason: object.Status.Reason, Message: object.Status.Message}
	}
	for _, ip := range object.Status.PodIPs {
		p.Sandbox.IPs = append(p.Sandbox.IPs, ip.IP)
	}
	for _, c := range object.Status.Conditions {
		p.Conditions = append(p.Conditions, Condition{Type: c.Type, Status: c.Status, Since: c.LastTransitionTime.Time})
	}
	return p
}

// instances are the two newest instances of a container as a status from before a reboot tells them. None runs any more.
func instances(status corev1.ContainerStatus, now time.Time) (newest, last *Instance) {
	newest = &Instance{Attempt: status.RestartCount, ID: strings.TrimPrefix(status.ContainerID, idScheme), Image: status.Image, ImageID: status.ImageID}
	switch state, before := status.State, status.LastTerminationState.Terminated; {
	case state.Terminated != nil:
		newest.ended(state.Terminated)
		if before != nil {
			last = &Instance{Attempt: status.RestartCount - 1, ID: strings.TrimPrefix(before.ContainerID, idScheme)}
			last.ended(before)
		}
	case state.Running == nil && before != nil: // waiting for a restart
		newest.ended(before)
	default:
		if state.Running != nil {
			newest.StartedAt = state.Running.StartedAt.Time
		}
		newest.FinishedAt, newest.ExitCode, newest.Reason, newest.Message = now, statusUnknownCode, statusUnknown, statusUnknownMessage
	}
	return newest, last
}

func (i *Instance) ended(t *corev1.ContainerStateTerminated) {
	i.StartedAt, i.FinishedAt = t.StartedAt.Time, t.FinishedAt.Time
	i.ExitCode, i.Signal, i.Reason, i.Message = t.ExitCode, t.Signal, t.Reason, t.Message
}
