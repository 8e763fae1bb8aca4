package lifecycle

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/kube"
)

// What the kubelet reports of an end that nobody saw.
const (
	statusUnknown        = "ContainerStatusUnknown"
	statusUnknownMessage = "The container could not be located when the pod was terminated"
	statusUnknownCode    = 137
)

// oomKilled is the reason of a container that the kernel ended for want of memory.
const oomKilled = "OOMKilled"

// startErrorCode is the exit code of an instance whose program could not be executed (containerd's).
const startErrorCode = 128

func (s *step) containerStarted(e ContainerStarted) {
	c := s.container(e.Container)
	switch {
	case c == nil:
		return
	case c.running() && c.Now.Attempt == e.Attempt && c.Now.ID == e.ID: // a survivor told of twice
		return
	case c.running() || e.Attempt != c.next():
		s.do(StopContainer{Container: c.Name, Attempt: e.Attempt, ID: e.ID})
		return
	}
	if e.ImageID == "" {
		e.ImageID = c.Image.ID
	}
	asked := c.Starting && s.active
	s.shift(c, &Instance{Attempt: e.Attempt, ID: e.ID, Image: s.startedImage(c), ImageID: e.ImageID, StartedAt: s.now, Given: c.Giving})
	c.Refused = nil
	s.emit(corev1.EventTypeNormal, "Created", c.Name, "Container created")
	s.emit(corev1.EventTypeNormal, "Started", c.Name, "Container started")
	// A survivor of another node may have had its hook; who starts it now has not.
	if asked && PostStart.Handler(s.spec(c)) != nil {
		c.Hook = PostStart
		s.do(RunHook{Container: c.Name, Attempt: e.Attempt, ID: e.ID, Kind: PostStart})
	}
}

// startedImage is the name of the image that the answered start was about. The spec may have changed since.
func (s *step) startedImage(c *Container) string {
	if c.Image.Name != "" {
		return c.Image.Name
	}
	return s.spec(c).Image
}

// shift makes i the newest instance and lets the one before the last go.
func (s *step) shift(c *Container, i *Instance) {
	if c.Last != nil {
		s.do(RemoveContainer{Container: c.Name, Attempt: c.Last.Attempt, ID: c.Last.ID})
	}
	c.Last, c.Now = c.Now, i
	c.Starting, c.Replace, c.Again, c.Crash.Until = false, false, false, time.Time{}
	c.Image.Phase = NoImage
	c.undo()
}

// undo forgets all about the ending of the instance that was.
func (c *Container) undo() {
	c.Hook, c.Kill, c.KillBy, c.StopBy, c.Asked, c.Resize = NoHook, "", nil, time.Time{}, time.Time{}, Resize{}
}

func (s *step) startFailed(e StartFailed) {
	c := s.container(e.Container)
	if c == nil || !c.Starting || e.Attempt != c.next() {
		return
	}
	s.emit(corev1.EventTypeWarning, "Failed", c.Name, "Error: %s", e.Err)
	c.Refused = &Refusal{Reason: e.Reason, Message: e.Err, RetryAt: s.now.Add(retryDelay)}
	if e.Reason != RunContainerError {
		c.Starting, c.Image.Phase = false, NoImage
		return
	}
	c.Refused.RetryAt = time.Time{} // it counts as a crash
	s.shift(c, &Instance{Attempt: e.Attempt, ID: e.ID, Image: s.startedImage(c), ImageID: c.Image.ID,
		FinishedAt: s.now, ExitCode: startErrorCode, Reason: "StartError", Message: e.Err})
	s.crashed(c)
}

func (s *step) containerExited(e ContainerExited) {
	c := s.container(e.Container)
	if c == nil || !c.running() || c.Now.Attempt != e.Attempt {
		return
	}
	if e.At.IsZero() {
		e.At = s.now
	}
	i := c.Now
	i.FinishedAt, i.ExitCode, i.Signal, i.Message = e.At.Round(0), e.ExitCode, e.Signal, e.Message
	switch {
	case e.Unknown:
		i.ExitCode, i.Reason, i.Message = statusUnknownCode, statusUnknown, statusUnknownMessage
	case e.OOMKilled:
		i.Reason = oomKilled
		if e.Signal != 0 {
			i.ExitCode = 128 + e.Signal
		}
	case e.Signal != 0:
		i.ExitCode, i.Reason = 128+e.Signal, "Error"
	case e.ExitCode != 0:
		i.Reason = "Error"
	default:
		i.Reason = "Completed"
	}
	i.Ready = false
	c.undo()
	c.Done = c.Done || s.role(c) == initial && i.ExitCode == 0
	rule := kube.MatchingRule(s.spec(c), i.ExitCode)
	s.RestartAll = s.RestartAll || rule != nil && rule.Action == corev1.ContainerRestartRuleActionRestartAllContainers
	if c.Replace {
		c.Crash = Backoff{}
	}
	s.crashed(c)
}

// crashed sets how long the ended container must wait for its restart, if it gets one.
func (s *step) crashed(c *Container) {
	ended := c.Now.FinishedAt
	if s.deleting() || s.over() || !s.wanted(c) || c.Crash.expired(ended) {
		c.Crash.Until = time.Time{}
		return
	}
	if c.Crash.Until = ended.Add(c.Crash.Delay); s.now.Before(c.Crash.Until) {
		s.emit(corev1.EventTypeWarning, "BackOff", c.Name, "Back-off restarting failed container %s in pod %s", c.Name, s.longName())
	}
}

// longName is how the kubelet names a Pod in messages.
func (p *Pod) longName() string {
	return fmt.Sprintf("%s_%s(%s)", p.Object.Name, p.Object.Namespace, p.Object.UID)
}
