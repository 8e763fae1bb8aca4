package lifecycle

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/kube"
)

// role is a container's part in the Pod's life.
type role int

const (
	regular   role = iota // the Pod is over when all of these are
	initial               // has to succeed before the next one starts
	sidecar               // an init container that has to be started before the next one starts, and then runs as long as the Pod
	ephemeral             // starts when it likes, once
)

func (p *Pod) role(c *Container) role {
	for i := range p.Object.Spec.InitContainers {
		if init := &p.Object.Spec.InitContainers[i]; init.Name == c.Name {
			if kube.IsSidecar(init) {
				return sidecar
			}
			return initial
		}
	}
	for i := range p.Object.Spec.EphemeralContainers {
		if p.Object.Spec.EphemeralContainers[i].Name == c.Name {
			return ephemeral
		}
	}
	return regular
}

// spec returns the container's part of the Pod's spec. It is there: containers are only ever added; see New and updated.
func (p *Pod) spec(c *Container) *corev1.Container { return kube.FindContainer(p.Object, c.Name) }

// with are the containers of a role.
func (p *Pod) with(r role) []*Container {
	var found []*Container
	for i := range p.Containers {
		if c := &p.Containers[i]; p.role(c) == r {
			found = append(found, c)
		}
	}
	return found
}

// wanted says whether the container must run (again), apart from any waiting.
func (p *Pod) wanted(c *Container) bool {
	if p.Failure != nil {
		return false
	}
	switch p.role(c) {
	case ephemeral:
		return !c.exited()
	case initial:
		if c.Done {
			return false
		}
		return !c.exited() || c.Replace || c.Now.ExitCode == 0 || kube.RestartsAfter(p.Object, p.spec(c), c.Now.ExitCode) // a success was in a sandbox that is no more
	}
	if !c.exited() || c.Replace {
		return true
	}
	code := c.Now.ExitCode
	if c.Again {
		code = statusUnknownCode // however it took its end, it is one after a failure
	}
	return kube.RestartsAfter(p.Object, p.spec(c), code)
}

// over says whether no container that counts will ever run again. Sidecars and ephemeral containers may still be running.
func (p *Pod) over() bool {
	if p.RestartAll && p.Failure == nil {
		return false
	}
	if p.Failure != nil || p.initFailed() {
		return true
	}
	for i := range p.Containers {
		if c := &p.Containers[i]; p.role(c) == regular && (!c.idle() || p.wanted(c)) {
			return false
		}
	}
	return true
}

// initFailed says whether an init container has failed for good.
func (p *Pod) initFailed() bool {
	for _, c := range p.with(initial) {
		if c.exited() && c.idle() && !c.Done && !p.wanted(c) {
			return true
		}
	}
	return false
}

// turn says whether those before the container let it start: init containers have done their part, and no hook of a container before it
// runs, or will run as soon as that has started.
func (p *Pod) turn(c *Container) bool {
	if p.role(c) == ephemeral {
		return true
	}
	for i := range p.Containers {
		switch before := &p.Containers[i]; p.role(before) {
		case initial, sidecar:
			if before == c {
				return true
			}
			if !before.Done {
				return false
			}
		default:
			if before == c {
				return true
			}
			if before.Hook == PostStart || p.comesUpWithHook(before) {
				return false
			}
		}
	}
	return true
}

// comesUpWithHook says whether a container is about to start for the first time and has a postStart hook.
func (p *Pod) comesUpWithHook(c *Container) bool {
	spec := p.spec(c)
	first := c.Starting || c.Now == nil && c.Refused == nil && c.Image.Reason == ""
	return first && spec.Lifecycle != nil && spec.Lifecycle.PostStart != nil
}

// mayEnd says whether a container that is ending may be told so: the last sidecar ends after all others, and each before those that
// were started before it.
func (p *Pod) mayEnd(c *Container) bool {
	if p.role(c) != sidecar {
		return true
	}
	after := false
	for i := range p.Containers {
		other := &p.Containers[i]
		if after && !other.idle() && p.role(other) != ephemeral {
			return false
		}
		after = after || other == c
	}
	return true
}

// up says whether the container runs as users see it: not before its postStart hook has come to its end, and a good one.
func (c *Container) up() bool { return c.running() && c.Hook != PostStart && c.Refused == nil }

// started says whether the container runs and has passed its startup probe, if it has one.
func (p *Pod) started(c *Container) bool {
	return c.up() && (p.spec(c).StartupProbe == nil || c.Now.Passed)
}

// ready says whether the container does its work: an init container has done it, any other is started and, if it has a readiness probe,
// says so.
func (p *Pod) ready(c *Container) bool {
	if p.role(c) == initial {
		return c.exited() && !p.shownWaiting(c) && c.Now.ExitCode == 0
	}
	return p.started(c) && (p.spec(c).ReadinessProbe == nil || c.Now.Ready)
}
