package node

import (
	"context"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/lifecycle"
	"github.com/peapod/peapod/rootless/probe"
)

// probing is the probes of a Pod that are being made. It is the loop's.
type probing map[probeKey]*probe.Worker

type probeKey struct {
	id   string // of the container
	kind lifecycle.ProbeKind
}

// probe makes the probes that the facts call for, and no others.
func (p *pod) probe() {
	due := map[probeKey]bool{}
	for _, wanted := range p.facts.Probes() {
		key := probeKey{wanted.ID, wanted.Kind}
		due[key] = true
		if p.probing[key] == nil {
			p.probing[key] = p.startProbe(wanted)
		}
	}
	for key, worker := range p.probing {
		if !due[key] {
			worker.Stop()
			delete(p.probing, key)
		}
	}
}

func (p *pod) stopProbing() {
	for _, worker := range p.probing {
		worker.Stop()
	}
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }

// livenessDelay is what a container gets before it is asked for the first time whether it is alive. The kubelet asks after anything
// from nothing to a period.
const livenessDelay = time.Second

func (p *pod) startProbe(wanted lifecycle.Probe) *probe.Worker {
	object := p.facts.Object
	c := kube.FindContainer(object, wanted.Container)
	spec := wanted.Kind.Spec(c)
	target := probe.Target{Container: c}
	if ips := p.facts.Sandbox.IPs; len(ips) > 0 {
		target.IP = ips[0]
	}
	return probe.Start(probe.Config{
		Delay: p.probeDelay(wanted, spec), Period: seconds(spec.PeriodSeconds),
		Successes: int(spec.SuccessThreshold), Limit: int(spec.FailureThreshold), Success: wanted.Success,
		Eager: wanted.Kind != lifecycle.Liveness, Once: wanted.Kind == lifecycle.Startup, UntilFailure: wanted.Kind == lifecycle.Liveness,
		Check: func(ctx context.Context) probe.Outcome { return p.check(ctx, wanted.ID, spec, target) },
		Tell:  func(o probe.Outcome) { p.tellOfProbe(object, wanted, o) },
		Changed: func(success bool) {
			p.post(lifecycle.ProbeChanged{Container: wanted.Container, Attempt: wanted.Attempt, Kind: wanted.Kind, Success: success})
		},
	})
}

// probeDelay is how long from now a probe begins. Those of containers that a new node finds are spread over a period, as the kubelet does.
func (p *pod) probeDelay(wanted lifecycle.Probe, spec *corev1.Probe) time.Duration {
	delay := seconds(spec.InitialDelaySeconds)
	if wanted.Kind == lifecycle.Liveness {
		delay = max(delay, livenessDelay)
	}
	delay -= time.Since(wanted.StartedAt)
	if wanted.StartedAt.Before(p.node.began) {
		delay = max(delay, time.Duration(rand.Float64()*float64(seconds(spec.PeriodSeconds))))
	}
	return max(delay, 0)
}

// maxTries is how often a check is made that comes to nothing.
const maxTries = 3

func (p *pod) check(ctx context.Context, id string, spec *corev1.Probe, to probe.Target) (o probe.Outcome) {
	client, timeout := p.node.prober, seconds(spec.TimeoutSeconds)
	for range maxTries {
		switch {
		case spec.Exec != nil:
			o = p.checkExec(ctx, id, kube.ExpandStatic(spec.Exec.Command, to.Container.Env), timeout)
		case spec.HTTPGet != nil:
			o = client.HTTP(ctx, spec.HTTPGet, to, timeout)
		case spec.TCPSocket != nil:
			o = client.TCP(ctx, spec.TCPSocket, to, timeout)
		case spec.GRPC != nil:
			o = client.GRPC(ctx, spec.GRPC, to, timeout)
		}
		if o.Err == nil || ctx.Err() != nil {
			return o
		}
	}
	return o
}

// tellOfProbe makes an event of a check's outcome, in the kubelet's words.
func (p *pod) tellOfProbe(object *corev1.Pod, wanted lifecycle.Probe, o probe.Outcome) {
	e := lifecycle.Emit{Type: corev1.EventTypeWarning, Reason: "Unhealthy", Container: wanted.Container}
	switch kind := string(wanted.Kind); {
	case o.Err != nil:
		e.Message = kind + " probe errored and resulted in unknown state: " + o.Err.Error()
	case o.Good:
		e.Reason, e.Message = "ProbeWarning", kind+" probe warning: "+o.Text
	default:
		e.Message = kind + " probe failed: " + o.Text
	}
	p.node.events.record(object, e)
}
