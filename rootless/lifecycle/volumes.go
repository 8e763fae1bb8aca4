package lifecycle

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// VolumesPhase says how far the Pod's volumes are; see the package comment.
type VolumesPhase string

// The phases of a Pod's volumes.
const (
	NoVolumes       VolumesPhase = ""
	MountingVolumes VolumesPhase = "mounting"
	HaveVolumes     VolumesPhase = "ready"
	FailedVolumes   VolumesPhase = "failed"
	RemovedVolumes  VolumesPhase = "removed" // of a Pod that is over
)

// Volumes are the facts about the Pod's volumes. A Pod without any never asks for them.
type Volumes struct {
	Phase   VolumesPhase
	Delay   time.Duration // the last wait after a failure, 0 before the first
	RetryAt time.Time     // when to try again after that
	Again   bool          // VolumeSourceChanged came while they were being mounted
}

// The pauses between attempts to mount, which double (kubernetes/pkg/util/goroutinemap/exponentialbackoff).
const (
	mountRetryFirst = 500 * time.Millisecond
	mountRetryMax   = 2*time.Minute + 2*time.Second
)

type (
	// VolumesReady answers MountVolumes.
	VolumesReady struct{}
	// VolumesFailed answers MountVolumes: these volumes are not there, the others are.
	VolumesFailed struct{ Failures []VolumeFailure }
	// VolumeSourceChanged says that what a volume waits for may have come: it is tried again at once.
	VolumeSourceChanged struct{}

	// MountVolumes asks for all volumes of the Pod; those that are there are brought up to date. Answer: VolumesReady or VolumesFailed.
	MountVolumes struct{}
	// RemoveVolumes asks for the removal of what goes with the Pod, as it is over. No answer.
	RemoveVolumes struct{}
)

// VolumeFailure tells why a volume is not there.
type VolumeFailure struct {
	Volume string
	Err    string // empty: nothing is wrong, it takes time, and VolumeSourceChanged will come
}

// FailedMount is what users read of a failure.
func FailedMount(f VolumeFailure) Emit {
	return Emit{Type: corev1.EventTypeWarning, Reason: "FailedMount", Message: fmt.Sprintf("MountVolume.SetUp failed for volume %q : %s", f.Volume, f.Err)}
}

func (VolumesReady) event()        {}
func (VolumesFailed) event()       {}
func (VolumeSourceChanged) event() {}
func (MountVolumes) action()       {}
func (RemoveVolumes) action()      {}

// haveVolumes says whether the Pod's volumes are there; if not, it asks for them when that is due.
func (s *step) haveVolumes() bool {
	if len(s.Object.Spec.Volumes) == 0 {
		return true
	}
	switch v := &s.Volumes; {
	case v.Phase == HaveVolumes:
		return true
	case v.Phase == NoVolumes, v.Phase == FailedVolumes && s.due(v.RetryAt):
		v.Phase = MountingVolumes
		s.do(MountVolumes{})
	}
	return false
}

// removeVolumes asks once, and again after the node was: the last one may have been about to.
func (s *step) removeVolumes() {
	if len(s.Object.Spec.Volumes) > 0 && s.Volumes.Phase != RemovedVolumes {
		s.Volumes = Volumes{Phase: RemovedVolumes}
		s.do(RemoveVolumes{})
	}
}

func (s *step) noteVolumes(e Event) {
	v := &s.Volumes
	switch e := e.(type) {
	case VolumesReady:
		if v.Phase == MountingVolumes {
			*v = Volumes{Phase: HaveVolumes}
		}
	case VolumesFailed:
		if v.Phase == MountingVolumes {
			v.Phase = FailedVolumes
			v.Delay = min(max(2*v.Delay, mountRetryFirst), mountRetryMax)
			if v.RetryAt = s.now.Add(v.Delay); v.Again {
				v.RetryAt, v.Again = time.Time{}, false
			}
			for _, f := range e.Failures {
				if f.Err != "" {
					s.do(FailedMount(f))
				}
			}
		}
	case VolumeSourceChanged:
		v.RetryAt, v.Again = time.Time{}, v.Phase == MountingVolumes
	}
}
