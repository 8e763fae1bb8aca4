package lifecycle

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// decide asks for whatever the facts call for.
func (s *step) decide() {
	s.checkDeadline()
	switch {
	case s.deleting() || s.over():
		s.end()
	case s.Sandbox.Phase == LostSandbox:
		s.recover()
	case s.RestartAll:
		s.restartAll()
	default:
		s.run()
	}
	if !s.wakes.IsZero() && !s.wakes.Equal(s.wake) {
		s.do(WakeAt{At: s.wakes})
	}
	s.wake = s.wakes
}

// checkDeadline puts an end to a Pod that was active for longer than it may be.
func (s *step) checkDeadline() {
	limit := s.Object.Spec.ActiveDeadlineSeconds
	if limit == nil || s.deleting() || s.over() {
		return
	}
	deadline := s.StartTime.Add(time.Duration(min(*limit, int64(forever/time.Second))) * time.Second)
	if s.now.Before(deadline) {
		s.wakeAt(deadline)
		return
	}
	s.Failure = &Failure{Reason: "DeadlineExceeded", Message: "Pod was active on the node longer than the specified deadline"}
	s.emit(corev1.EventTypeNormal, s.Failure.Reason, "", "%s", s.Failure.Message)
}

// forever is a time that nobody will live to see the end of, and that can be added to another.
const forever = 100 * 365 * 24 * time.Hour

// end takes the Pod down: containers, sandbox, and if it is to be deleted, the object; else its volumes, since nothing will use them again.
func (s *step) end() {
	s.stopAll()
	if !s.allIdle() || s.Volumes.Phase == MountingVolumes {
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
			return
		}
		s.removeVolumes()
	}
}

// recover takes down what is left of a Pod whose sandbox was lost; run then makes a new one.
func (s *step) recover() {
	s.stopAll()
	if s.allIdle() {
		s.emit(corev1.EventTypeNormal, "SandboxChanged", "", "Pod sandbox changed, it will be killed and re-created.")
		s.removeSandbox()
	}
}

// restartAll ends all containers and begins the Pod again in the sandbox that it has.
func (s *step) restartAll() {
	s.stopAll()
	if !s.allIdle() {
		return
	}
	s.RestartAll = false
	for i := range s.Containers {
		c := &s.Containers[i]
		c.Done, c.Replace = false, c.exited() && s.role(c) != ephemeral
	}
	s.run()
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
	s.haveVolumes()
	s.noteResizing()
	for i := range s.Containers {
		c := &s.Containers[i]
		c.Done = c.Done || s.role(c) == sidecar && s.started(c)
		s.runContainer(c)
	}
}

func (s *step) runContainer(c *Container) {
	switch {
	case c.Starting:
	case c.running():
		s.keepOrKill(c)
	case !s.wanted(c), !s.due(c.Crash.Until):
	case c.Refused != nil && !s.due(c.Refused.RetryAt):
	case s.haveImage(c) && s.haveVolumes() && s.Sandbox.Phase == HaveSandbox && s.turn(c):
		s.start(c)
	}
}

// keepOrKill ends a running container that has to end.
func (s *step) keepOrKill(c *Container) {
	if c.Now.Image != s.spec(c).Image && c.Kill == "" {
		switch s.role(c) {
		case regular:
			c.Replace, c.Kill = true, "Container "+c.Name+" definition changed, will be restarted"
		case sidecar:
			c.Replace, c.Kill = true, "Init container "+c.Name+" definition changed"
		}
	}
	if s.role(c) != ephemeral {
		s.resize(c)
	}
	switch {
	case c.Kill == "":
	case c.KillBy != nil:
		s.stop(c, c.Kill, clampGrace(*c.KillBy))
	default:
		s.stop(c, c.Kill, s.grace())
	}
}

// start asks for the next instance and counts it against the crash backoff, as the kubelet does: the first
// restart waits for nothing, but leaves its delay for the second.
func (s *step) start(c *Container) {
	c.Starting, c.Giving = true, s.toGive(c)
	if c.exited() {
		c.Crash.raise(c.Now.FinishedAt, s.now)
	}
	s.do(StartContainer{Container: c.Name, Attempt: c.next(), ImageID: c.Image.ID})
}
