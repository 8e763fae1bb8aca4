package lifecycle

import corev1 "k8s.io/api/core/v1"

// phase follows the kubelet's getPhase: a container that waits for its restart counts as stopped. Sidecars hold a Pod up as long as they
// have not started, and keep it running as long as they run.
func (p *Pod) phase() corev1.PodPhase {
	if p.Failure != nil {
		return corev1.PodFailed
	}
	count := p.count()
	switch {
	case p.initFailed():
		return corev1.PodFailed
	case count.pending > 0, count.waiting > 0:
		return corev1.PodPending
	case count.running > 0:
		return corev1.PodRunning
	case !p.allIdle(), !p.deleting() && !p.over(): // all are down, some will be restarted or are just being
		return corev1.PodRunning
	case count.succeeded == count.regular:
		return corev1.PodSucceeded
	}
	return corev1.PodFailed
}

// tally is how many containers are how far.
type tally struct {
	pending                     int // init containers that have not done their part
	regular, waiting, succeeded int // regular ones
	running                     int // regular ones and sidecars
}

func (p *Pod) count() tally {
	var n tally
	for i := range p.Containers {
		switch c := &p.Containers[i]; p.role(c) {
		case initial:
			if !c.exited() {
				n.pending++
			}
		case sidecar:
			if c.up() {
				n.running++
			}
			if !c.Done && !c.exited() && !p.started(c) {
				n.pending++
			}
		case regular:
			n.regular++
			switch {
			case c.up():
				n.running++
			case !c.exited():
				n.waiting++
			case c.Now.ExitCode == 0 && !p.shownWaiting(c):
				n.succeeded++
			}
		}
	}
	return n
}
