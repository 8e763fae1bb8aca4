package lifecycle

import (
	"math"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// decide asks for whatever the facts call for.
func (s *step) decide() {
	switch {
	case s.deleting() || s.over():
		s.end()
	case s.Sandbox.Phase == LostSandbox:
		s.recover()
	default:
		s.run()
	}
	if !s.wakes.IsZero() && !s.wakes.Equal(s.wake) {
		s.do(WakeAt{At: s.wakes})
	}
	s.wake = s.wakes
}

// end takes the Pod down: containers, sandbox, and if it is to be deleted, the object.
func (s *step) end() {
	for i := range s.Containers {
		s.stop(&s.Containers[i], "Stopping container %s")
	}
	if !s.allIdle() {
		return
	}
	switch s.Sandbox.Phase {
	case CreatingSandbox, RemovingSandbox: // the answer will come
	case HaveSandbox, LostSandbox:
		s.removeSandbox()
	case NoSandbox, FailedSandbox:
		if s.deleting() {
			s.Finished = true
			s.do(Finish{})
		}
	}
}

// recover takes down what is left of a Pod whose sandbox was lost; run then makes a new one.
func (s *step) recover() {
	for i := range s.Containers {
		s.stop(&s.Containers[i], "Stopping container %s")
	}
	if s.allIdle() {
		s.emit(corev1.EventTypeNormal, "SandboxChanged", "", "Pod sandbox changed, it will be killed and re-created.")
		s.removeSandbox()
	}
}

func (s *step) removeSandbox() {
	s.Sandbox.Phase = RemovingSandbox
	s.do(RemoveSandbox{})
}

// run brings up what is missing.
func (s *step) run() {
	switch s.Sandbox.Phase {
	case FailedSandbox:
		if !s.due(s.Sandbox.RetryAt) {
			break
		}
		fallthrough
	case NoSandbox:
		s.Sandbox.Phase = CreatingSandbox
		s.do(CreateSandbox{Attempt: s.Sandbox.Attempt})
	}
	for i := range s.Containers {
		s.runContainer(&s.Containers[i])
	}
}

func (s *step) runContainer(c *Container) {
	switch {
	case c.Starting:
	case c.running():
		if c.Replace = c.Replace || c.Now.Image != s.spec(c).Image; c.Replace {
			s.stop(c, "Container %s definition changed, will be restarted")
		}
	case !s.wanted(c), !s.due(c.Crash.Until):
	case c.Refused != nil && !s.due(c.Refused.RetryAt):
	case s.haveImage(c) && s.Sandbox.Phase == HaveSandbox:
		s.start(c)
	}
}

// start asks for the next instance and counts it against the crash backoff, as the kubelet does: the first
// restart waits for nothing, but leaves its delay for the second.
func (s *step) start(c *Container) {
	c.Starting = true
	if c.exited() {
		c.Crash.raise(c.Now.FinishedAt, s.now)
	}
	s.do(StartContainer{Container: c.Name, Attempt: c.next(), ImageID: c.Image.ID})
}

// stop asks a running container to end in time; message is that of the event, with the container's name as its argument.
func (s *step) stop(c *Container, message string) {
	if !c.running() {
		return
	}
	deadline := s.now.Add(time.Duration(s.grace()) * time.Second)
	if s.deleting() {
		deadline = s.Object.DeletionTimestamp.Time
	}
	switch {
	case c.StopBy.IsZero():
		s.emit(corev1.EventTypeNormal, "Killing", c.Name, message, c.Name)
	case !deadline.Before(c.StopBy):
		return
	}
	c.StopBy = deadline
	left := max(0, deadline.Sub(s.now)+time.Second-1) / time.Second // rounded up
	s.do(StopContainer{Container: c.Name, Attempt: c.Now.Attempt, ID: c.Now.ID, Grace: int64(left)})
}

// grace is the Pod's own termination grace period in seconds.
func (s *step) grace() int64 {
	if period := s.Object.Spec.TerminationGracePeriodSeconds; period != nil {
		return clampGrace(*period)
	}
	return corev1.DefaultTerminationGracePeriodSeconds
}

// clampGrace keeps to what fits a time.Duration. A negative period means 1 second, as in the API server.
func clampGrace(seconds int64) int64 {
	if seconds < 0 {
		return 1
	}
	return min(seconds, math.MaxInt32)
}
