package lifecycle

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/kube"
)

// ProbeKind says which of a container's probes; its words are those of the kubelet's events.
type ProbeKind string

// The probes.
const (
	Startup   ProbeKind = "Startup"
	Readiness ProbeKind = "Readiness"
	Liveness  ProbeKind = "Liveness"
)

// Spec is a container's probe of the kind; nil if it has none.
func (k ProbeKind) Spec(c *corev1.Container) *corev1.Probe {
	switch k {
	case Startup:
		return c.StartupProbe
	case Readiness:
		return c.ReadinessProbe
	}
	return c.LivenessProbe
}

// Probe is a probe that is to be made again and again, of one instance.
type Probe struct {
	Container string
	Attempt   int32
	ID        string
	Kind      ProbeKind
	StartedAt time.Time // the instance
	Success   bool      // what counts now
}

// Probes are those to be made now. It follows from the facts, so nobody has to be told when one begins or ends: the startup probe comes
// before the others, an ending container is asked only whether it is ready, as it may still serve.
func (p *Pod) Probes() []Probe {
	var due []Probe
	for i := range p.Containers {
		c := &p.Containers[i]
		if !c.up() {
			continue
		}
		spec, started := p.spec(c), p.started(c)
		add := func(kind ProbeKind, now, success bool) {
			if now && kind.Spec(spec) != nil {
				due = append(due, Probe{c.Name, c.Now.Attempt, c.Now.ID, kind, c.Now.StartedAt, success})
			}
		}
		ending := p.deleting() || c.Kill != "" || !c.StopBy.IsZero()
		add(Startup, !started && !ending, false)
		add(Readiness, started, c.Now.Ready)
		add(Liveness, started && !ending, true)
	}
	return due
}

// probeChanged notes what a probe has come to say.
func (s *step) probeChanged(e ProbeChanged) {
	c := s.container(e.Container)
	if c == nil || !c.running() || c.Now.Attempt != e.Attempt {
		return
	}
	switch {
	case e.Kind == Readiness:
		c.Now.Ready = e.Success
	case e.Kind == Startup && e.Success:
		c.Now.Passed = true
	case !e.Success && c.Kill == "":
		s.condemn(c, e.Kind)
	}
}

// condemn ends an instance that its probe found dead.
func (s *step) condemn(c *Container, kind ProbeKind) {
	spec := s.spec(c)
	what := "failed liveness probe"
	if kind == Startup {
		what = "failed startup probe"
	}
	switch {
	case s.role(c) == sidecar:
		c.Kill = "Init container " + c.Name + " " + what
	case kube.RestartsAfter(s.Object, spec, statusUnknownCode):
		c.Kill = "Container " + c.Name + " " + what + ", will be restarted"
	default:
		c.Kill = "Container " + c.Name + " " + what
	}
	c.Again, c.KillBy = true, kind.Spec(spec).TerminationGracePeriodSeconds
}
