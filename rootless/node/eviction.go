package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/lifecycle"
	"github.com/peapod/peapod/rootless/volume"
)

const (
	// evictionPeriod is how often the size of emptyDirs that have a limit is looked at (kubernetes/pkg/kubelet, evictionMonitoringPeriod).
	evictionPeriod = 10 * time.Second
	// measureShare bounds what that costs: one part in so many of a processor for each Pod, however many files there are.
	measureShare = 50
	// measureTime is when a measurement is given up.
	measureTime = time.Minute
)

// limitedDirs are the emptyDirs on the disk that have a limit. What is in memory is bounded by the kernel.
func limitedDirs(object *corev1.Pod) []*corev1.Volume {
	var limited []*corev1.Volume
	for i := range object.Spec.Volumes {
		v := &object.Spec.Volumes[i]
		if e := v.EmptyDir; e != nil && e.Medium == corev1.StorageMediumDefault && e.SizeLimit != nil && e.SizeLimit.Sign() > 0 {
			limited = append(limited, v)
		}
	}
	return limited
}

// watchSizes begins to look after the Pod's emptyDirs, if any has a limit, and returns what ends that. A Pod without any costs nothing.
func (p *pod) watchSizes() (end func()) {
	dirs := limitedDirs(p.facts.Object)
	if len(dirs) == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(p.node.ctx)
	go func() {
		pause := evictionPeriod
		for {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return
			}
			began := time.Now()
			message := p.exceeded(ctx, dirs)
			if message != "" {
				p.post(lifecycle.Evicted{Message: message})
			}
			pause = max(evictionPeriod, measureShare*time.Since(began))
		}
	}()
	return cancel
}

// exceeded is the kubelet's message about the first volume that has outgrown its limit (kubernetes/pkg/kubelet/eviction); "" if none has.
func (p *pod) exceeded(ctx context.Context, dirs []*corev1.Volume) string {
	ctx, cancel := context.WithTimeout(ctx, measureTime)
	defer cancel()
	for _, v := range dirs {
		limit := v.EmptyDir.SizeLimit
		used, err := volume.Usage(ctx, p.place(v), limit.Value())
		switch {
		case used > limit.Value():
			return fmt.Sprintf("Usage of EmptyDir volume %q exceeds the limit %q. ", v.Name, limit.String())
		case errors.Is(err, context.Canceled):
		case err != nil:
			p.log.Warn("measure a volume", "volume", v.Name, "error", err)
		}
	}
	return ""
}
