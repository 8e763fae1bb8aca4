package node

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/lifecycle"
	"github.com/peapod/peapod/rootless/volume"
)

const (
	// evictionPeriod is how often the disk is looked at that Pods with a limit use (kubernetes/pkg/kubelet, evictionMonitoringPeriod).
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

// watchSizes begins to look at how much of the disk the Pod uses, if that has a limit, and returns what ends that. A Pod without costs nothing.
func (p *pod) watchSizes() (end func()) {
	object := p.facts.Object
	dirs, limit := limitedDirs(object), kube.StorageLimit(object)
	if len(dirs) == 0 && limit.IsZero() {
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
			if message := p.exceeded(ctx, object, dirs, limit); message != "" {
				p.post(lifecycle.Evicted{Message: message})
			}
			pause = max(evictionPeriod, measureShare*time.Since(began))
		}
	}()
	return cancel
}

// exceeded is the kubelet's message about the first limit that is exceeded (kubernetes/pkg/kubelet/eviction); "" if none is.
func (p *pod) exceeded(ctx context.Context, object *corev1.Pod, dirs []*corev1.Volume, limit resource.Quantity) string {
	ctx, cancel := context.WithTimeout(ctx, measureTime)
	defer cancel()
	for _, v := range dirs {
		most := v.EmptyDir.SizeLimit
		if p.usage(ctx, p.place(v), most.Value()) > most.Value() {
			return fmt.Sprintf("Usage of EmptyDir volume %q exceeds the limit %q. ", v.Name, most.String())
		}
	}
	if limit.IsZero() {
		return ""
	}
	containers, whole := map[string]int64{}, p.usage(ctx, p.node.paths.PodData(p.uid), limit.Value()) // where emptyDirs are
	for _, i := range p.crew.running() {
		logs := filepath.Dir(p.logPath(i.Container))
		containers[i.Owner.Name] = p.usage(ctx, p.node.paths.ContainerUpper(i.ID), limit.Value()) + p.usage(ctx, logs, limit.Value())
		whole += containers[i.Owner.Name]
	}
	if whole > limit.Value() {
		return fmt.Sprintf("Pod ephemeral local storage usage exceeds the total limit of containers %s. ", limit.String())
	}
	for _, c := range kube.Containers(object) {
		own := c.Resources.Limits.StorageEphemeral()
		if !own.IsZero() && containers[c.Name] > own.Value() {
			return fmt.Sprintf("Container %s exceeded its local ephemeral storage limit %q. ", c.Name, own.String())
		}
	}
	return ""
}

// usage is that of a folder, or as much of it as could be counted.
func (p *pod) usage(ctx context.Context, place string, most int64) int64 {
	used, err := volume.Usage(ctx, place, most)
	if err != nil && !errors.Is(err, context.Canceled) {
		p.log.Warn("measure a folder", "folder", place, "error", err)
	}
	return used
}
