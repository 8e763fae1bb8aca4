package lifecycle

import (
	"math"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// evicted is the reason of a Pod that took too much, and evictionGrace how many seconds its containers have to end: at once, but for their hooks
// and what they do at SIGTERM (kubernetes/pkg/kubelet/eviction, immediateEvictionGracePeriodSeconds).
const (
	evicted       = "Evicted"
	evictionGrace = 1
)

// minGrace is what a container gets, in seconds, when its hook or others have used up the time: the kubelet's.
const minGrace = 2

// stop asks a running container to end within the given seconds; of a Pod that is deleted, when that wants it. message is that of the event.
// Its hook comes first, and a sidecar waits until others have ended: both go on the container's time.
func (s *step) stop(c *Container, message string, grace int64) {
	if !c.running() {
		return
	}
	deadline := s.now.Add(time.Duration(grace) * time.Second)
	if s.deleting() {
		deadline = s.Object.DeletionTimestamp.Time
	}
	switch {
	case c.StopBy.IsZero():
		s.emit(corev1.EventTypeNormal, "Killing", c.Name, "%s", message)
		c.StopBy = deadline
		s.preStop(c)
	case deadline.Before(c.StopBy):
		c.StopBy = deadline
	}
	s.signal(c)
}

// preStop runs the hook of a container that is to end, if there is time for it.
func (s *step) preStop(c *Container) {
	if l := s.spec(c).Lifecycle; l != nil && l.PreStop != nil && s.now.Before(c.StopBy) {
		c.Hook = PreStop
		s.do(RunHook{Container: c.Name, Attempt: c.Now.Attempt, ID: c.Now.ID, Kind: PreStop, Limit: s.left(c)})
	} else if c.Hook == PostStart {
		c.Hook = NoHook // nobody waits for it any more
	}
}

// signal tells an ending container, when its hook has run and its turn has come, or its time has.
func (s *step) signal(c *Container) {
	if !c.Asked.IsZero() && !c.StopBy.Before(c.Asked) {
		return
	}
	hasTime := s.now.Before(c.StopBy)
	if hasTime && (c.Hook == PreStop || !s.mayEnd(c)) {
		s.wakeAt(c.StopBy)
		return
	}
	grace := s.left(c)
	if waited := s.hasPreStop(c) || s.role(c) == sidecar; waited && c.Asked.IsZero() && !s.atOnce() {
		grace = max(grace, minGrace)
	}
	c.Hook, c.Asked = NoHook, c.StopBy
	s.do(StopContainer{Container: c.Name, Attempt: c.Now.Attempt, ID: c.Now.ID, Grace: grace})
}

// atOnce says whether the Pod was deleted without any grace.
func (s *step) atOnce() bool {
	seconds := s.Object.DeletionGracePeriodSeconds
	return s.deleting() && seconds != nil && *seconds == 0
}

func (s *step) hasPreStop(c *Container) bool {
	l := s.spec(c).Lifecycle
	return l != nil && l.PreStop != nil
}

// left is the time until a container is killed, in seconds, rounded up.
func (s *step) left(c *Container) int64 {
	return int64(max(0, c.StopBy.Sub(s.now)+time.Second-1) / time.Second)
}

// stopAll asks every container to end.
func (s *step) stopAll() {
	for i := range s.Containers {
		c := &s.Containers[i]
		s.stop(c, "Stopping container "+c.Name, s.grace())
	}
}

// grace is the Pod's own termination grace period in seconds, unless it is evicted.
func (s *step) grace() int64 {
	if s.Failure != nil && s.Failure.Reason == evicted {
		return evictionGrace
	}
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
