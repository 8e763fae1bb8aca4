package lifecycle

import corev1 "k8s.io/api/core/v1"

// HookKind says which of a container's hooks.
type HookKind string

// The hooks.
const (
	NoHook    HookKind = ""
	PostStart HookKind = "postStart"
	PreStop   HookKind = "preStop"
)

// Handler is what a hook of a container does; nil if it has none of the kind.
func (k HookKind) Handler(c *corev1.Container) *corev1.LifecycleHandler {
	switch {
	case c.Lifecycle == nil:
		return nil
	case k == PostStart:
		return c.Lifecycle.PostStart
	case k == PreStop:
		return c.Lifecycle.PreStop
	}
	return nil
}

// postStartHookError is the reason of a container that is ended because its hook failed.
const postStartHookError = "PostStartHookError"

// hookDone notes the end of a hook. What a hook says is in no event: it may be secret, and events are for everybody.
func (s *step) hookDone(e HookDone) {
	c := s.container(e.Container)
	if c == nil || !c.running() || c.Now.Attempt != e.Attempt || c.Hook != e.Kind {
		return
	}
	c.Hook = NoHook
	switch {
	case e.Err == "":
	case e.Kind == PreStop:
		s.emit(corev1.EventTypeWarning, "FailedPreStopHook", c.Name, "PreStopHook failed")
	default:
		s.emit(corev1.EventTypeWarning, "FailedPostStartHook", c.Name, "PostStartHook failed")
		c.Kill, c.Again = "FailedPostStartHook", true
		c.Refused = &Refusal{Reason: postStartHookError, Message: e.Err}
	}
}
