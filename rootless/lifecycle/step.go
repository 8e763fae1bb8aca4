package lifecycle

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/peapod/peapod/rootless/kube"
)

// Step notes that e has happened and returns what to do now. Events that contradict the facts (an exit of an instance that
// is not known to run, an image that nobody waits for) are ignored.
func (p *Pod) Step(now time.Time, e Event) []Action {
	now = now.Round(0) // wall clock only: facts outlive the process, and a suspended machine should not stretch a wait
	s := &step{Pod: p, now: now}
	if p.Finished {
		return nil
	}
	s.note(e)
	if s.active {
		s.decide()
	}
	p.noteConditions(now)
	return s.actions
}

// step is one call of Step.
type step struct {
	*Pod
	now     time.Time
	actions []Action
	wakes   time.Time // earliest time at which something is due; zero: none
}

func (s *step) do(a Action) { s.actions = append(s.actions, a) }

func (s *step) emit(kind, reason, container, format string, args ...any) {
	s.do(Emit{Type: kind, Reason: reason, Container: container, Message: fmt.Sprintf(format, args...)})
}

// due says whether the time has come, and arranges for a Tick at that time if not. A wait longer than any that is ever begun
// means that the clock was set back; it is over.
func (s *step) due(at time.Time) bool {
	if !s.now.Before(at) || at.Sub(s.now) > backoffMax {
		return true
	}
	s.wakeAt(at)
	return false
}

// wakeAt arranges for a Tick at a time to come.
func (s *step) wakeAt(at time.Time) {
	if s.wakes.IsZero() || at.Before(s.wakes) {
		s.wakes = at
	}
}

// note changes the facts by what has happened.
func (s *step) note(e Event) {
	switch e := e.(type) {
	case Added:
		s.active = true
		if s.StartTime.IsZero() {
			s.StartTime = s.now
		}
	case Adopted:
		s.adopted()
	case Tick:
		s.wake = time.Time{} // if it came early, ask again
	case Updated:
		s.updated(e.Object)
	case DeleteRequested:
		s.deleteRequested(e)
	case Evicted:
		s.evicted(e)
	case SandboxReady, SandboxFailed, SandboxLost, SandboxRemoved:
		s.noteSandbox(e)
	case VolumesReady, VolumesFailed, VolumeSourceChanged:
		s.noteVolumes(e)
	case ImagePulling:
		if c := s.pulling(e.Container, e.Image); c != nil && s.spec(c).ImagePullPolicy != corev1.PullAlways {
			s.emit(corev1.EventTypeNormal, "Pulling", c.Name, "Pulling image %q", e.Image)
		}
	case ImageReady:
		s.imageReady(e)
	case ImageFailed:
		s.imageFailed(e)
	case ContainerStarted:
		s.containerStarted(e)
	case StartFailed:
		s.startFailed(e)
	case ContainerExited:
		s.containerExited(e)
	case ContainerResized:
		s.resized(e)
	case HookDone:
		s.hookDone(e)
	case ProbeChanged:
		s.probeChanged(e)
	default:
		panic(fmt.Sprintf("lifecycle: bug: unknown event %T", e))
	}
}

// adopted forgets what the dead node was asked for. A sandbox that was being made or removed is in an unknown state: the
// first is asked for again (the node removes what it finds of it), the second is removed again.
func (s *step) adopted() {
	s.active, s.wake = true, time.Time{}
	switch s.Sandbox.Phase {
	case CreatingSandbox:
		s.Sandbox.Phase = NoSandbox
	case RemovingSandbox:
		s.Sandbox.Phase = LostSandbox
	}
	s.Volumes = Volumes{} // what they show may have changed meanwhile
	for i := range s.Containers {
		c := &s.Containers[i]
		c.Starting, c.Hook, c.StopBy, c.Asked, c.Resize = false, NoHook, time.Time{}, time.Time{}, Resize{}
		if c.Image.Phase == PullingImage {
			c.Image.Phase = NoImage
		}
	}
}

// updated takes the changed object. A deletion cannot be taken back. Containers may have been added, never removed.
func (s *step) updated(object *corev1.Pod) {
	if s.deleting() {
		object = object.DeepCopy()
		object.DeletionTimestamp, object.DeletionGracePeriodSeconds = s.Object.DeletionTimestamp, s.Object.DeletionGracePeriodSeconds
	}
	s.Object = object
	for i, c := range kube.Containers(object) {
		if s.container(c.Name) == nil {
			s.Containers = slices.Insert(s.Containers, i, Container{Name: c.Name})
		}
	}
}

func (s *step) deleteRequested(e DeleteRequested) {
	grace := clampGrace(e.Grace)
	deadline := metav1.NewTime(e.At.Round(0).Add(time.Duration(grace) * time.Second))
	if s.deleting() && !deadline.Before(s.Object.DeletionTimestamp) {
		return
	}
	s.Object = s.Object.DeepCopy()
	s.Object.DeletionTimestamp, s.Object.DeletionGracePeriodSeconds = &deadline, &grace
}

// evicted puts an end to the Pod, if nothing has yet.
func (s *step) evicted(e Evicted) {
	if s.deleting() || s.over() {
		return
	}
	s.Failure = &Failure{Reason: evicted, Message: e.Message}
	s.emit(corev1.EventTypeWarning, evicted, "", "%s", e.Message)
}

func (s *step) noteSandbox(e Event) {
	box := &s.Sandbox
	switch e := e.(type) {
	case SandboxReady:
		if box.Phase == CreatingSandbox {
			box.Phase, box.IPs, box.Error = HaveSandbox, e.IPs, ""
		}
	case SandboxFailed:
		if box.Phase == CreatingSandbox {
			box.Phase, box.Error, box.RetryAt = FailedSandbox, e.Err, s.now.Add(retryDelay)
			s.emit(corev1.EventTypeWarning, "FailedCreatePodSandBox", "", "Failed to create pod sandbox: %s", e.Err)
		}
	case SandboxLost:
		if box.Phase == HaveSandbox {
			box.Phase = LostSandbox
		}
	case SandboxRemoved:
		if box.Phase == RemovingSandbox {
			box.Phase = NoSandbox
			box.Attempt++
			s.beginAgain()
		}
	}
}

// beginAgain forgets what init containers have done, unless the Pod is over: their next sandbox needs it done again.
func (s *step) beginAgain() {
	if s.deleting() || s.over() {
		return
	}
	for i := range s.Containers {
		s.Containers[i].Done = false
	}
}
