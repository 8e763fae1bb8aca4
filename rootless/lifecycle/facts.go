package lifecycle

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Pod is everything known about one Pod. All but Object are facts for the node to save after each step: the fields
// marshal to JSON and back without loss.
type Pod struct {
	// Object is metadata and spec; its status is not looked at after New. It is kept in the database, not with the facts: set it
	// after loading them. Step sets the deletion timestamp in it, nothing else.
	Object *corev1.Pod `json:"-"`

	StartTime  time.Time   // when this node took the Pod on
	Sandbox    Sandbox     //
	Containers []Container // in the order of the spec
	Conditions []Condition // since when each condition is what it is
	Finished   bool        // Finish was asked for; nothing comes after it

	// Not saved, so that a new node begins with neither.
	active bool      // Added or Adopted was seen
	wake   time.Time // the last WakeAt
}

// SandboxPhase says how far the sandbox is; see the package comment.
type SandboxPhase string

// The phases of a sandbox.
const (
	NoSandbox       SandboxPhase = ""
	CreatingSandbox SandboxPhase = "creating"
	HaveSandbox     SandboxPhase = "ready"
	LostSandbox     SandboxPhase = "lost"
	FailedSandbox   SandboxPhase = "failed"
	RemovingSandbox SandboxPhase = "removing"
)

// Sandbox are the facts about the Pod's namespaces.
type Sandbox struct {
	Phase   SandboxPhase
	Attempt int32     // number of sandboxes removed before this one
	IPs     []string  // of the last sandbox that was ready, IPv4 first; kept when it is gone
	Error   string    // why creating it failed
	RetryAt time.Time // when to try again after that
}

// Container are the facts about one container of the spec.
type Container struct {
	Name     string
	Image    Image     // for the start to come
	Starting bool      // StartContainer is not answered
	StopBy   time.Time // the running instance was told to stop, and is killed then; zero if not told
	Replace  bool      // the spec's image changed: another instance comes after this one, whatever the restart policy

	Now     *Instance // the newest instance, running or not; nil before the first
	Last    *Instance // the one before it, whose log is kept
	Refused *Refusal  // why the last start came to nothing; nil if it did not
	Crash   Backoff
}

// Instance is one run of a container. A zero FinishedAt means that it runs.
type Instance struct {
	Attempt    int32
	ID         string
	Image      string // as the spec named it
	ImageID    string
	StartedAt  time.Time // zero if it came to an end before its first instruction
	FinishedAt time.Time
	ExitCode   int32 // 128+n when ended by signal n
	Signal     int32
	Reason     string // Completed, Error, StartError, ContainerStatusUnknown
	Message    string
}

// Refusal tells why a container could not be started.
type Refusal struct {
	Reason  string // CreateContainerConfigError, CreateContainerError or RunContainerError
	Message string
	RetryAt time.Time
}

// ImagePhase says how far the image for the next start is; see the package comment.
type ImagePhase string

// The phases of an image.
const (
	NoImage       ImagePhase = ""
	PullingImage  ImagePhase = "pulling"
	HaveImage     ImagePhase = "ready"
	FailedImage   ImagePhase = "failed"
	BackingOff    ImagePhase = "backing off"
	errImageShown            = 5 * time.Second // how long ErrImagePull is shown before ImagePullBackOff
)

// Image are the facts about the image for a container's next start.
type Image struct {
	Phase   ImagePhase
	Name    string // as the spec named it when the pull was asked for
	ID      string
	Reason  string // of the last failure, until a success: ErrImagePull, ErrImageNeverPull, InvalidImageName, …
	Error   string
	Backoff Backoff
}

// Condition is one of the Pod's conditions as it last changed.
type Condition struct {
	Type   corev1.PodConditionType
	Status corev1.ConditionStatus
	Since  time.Time
}

// Backoff is how long to wait between failures: 10 s, doubled each time up to 5 min, and anew after 10 min without one. These are the
// kubelet's numbers (k8s.io/client-go/util/flowcontrol, Backoff).
type Backoff struct {
	Delay time.Duration // 0: no failure yet
	Since time.Time     // when Delay was last raised
	Until time.Time     // do not try again before; zero: no need to wait
}

const (
	backoffFirst = 10 * time.Second
	backoffMax   = 5 * time.Minute
	backoffReset = 2 * backoffMax
	// retryDelay is the pause after what does not back off, as between two syncs of a failing Pod in the kubelet.
	retryDelay = 10 * time.Second
)

// expired says whether the last failure before that of at is too long ago to count.
func (b *Backoff) expired(at time.Time) bool { return b.Delay == 0 || at.Sub(b.Since) > backoffReset }

// raise sets the delay that follows from a failure of at.
func (b *Backoff) raise(at, now time.Time) {
	if b.expired(at) {
		b.Delay = backoffFirst
	} else {
		b.Delay = min(2*b.Delay, backoffMax)
	}
	b.Since = now
}

func (c *Container) running() bool { return c.Now != nil && c.Now.FinishedAt.IsZero() }
func (c *Container) exited() bool  { return c.Now != nil && !c.Now.FinishedAt.IsZero() }
func (c *Container) idle() bool    { return !c.Starting && !c.running() }

// next is the attempt of the next instance.
func (c *Container) next() int32 {
	if c.Now == nil {
		return 0
	}
	return c.Now.Attempt + 1
}

// spec returns the container's part of the Pod's spec.
func (p *Pod) spec(c *Container) *corev1.Container {
	for i := range p.Object.Spec.Containers {
		if p.Object.Spec.Containers[i].Name == c.Name {
			return &p.Object.Spec.Containers[i]
		}
	}
	return nil // the spec's containers never change; see New and Updated
}

func (p *Pod) container(name string) *Container {
	for i := range p.Containers {
		if p.Containers[i].Name == name {
			return &p.Containers[i]
		}
	}
	return nil
}

func (p *Pod) deleting() bool { return p.Object.DeletionTimestamp != nil }

// wanted says whether the container must run (again), apart from any waiting.
func (p *Pod) wanted(c *Container) bool {
	if !c.exited() || c.Replace {
		return true
	}
	switch p.Object.Spec.RestartPolicy {
	case corev1.RestartPolicyNever:
		return false
	case corev1.RestartPolicyOnFailure:
		return c.Now.ExitCode != 0
	}
	return true
}

// over says whether no container will ever run again.
func (p *Pod) over() bool {
	for i := range p.Containers {
		if c := &p.Containers[i]; !c.idle() || p.wanted(c) {
			return false
		}
	}
	return true
}

func (p *Pod) allIdle() bool {
	for i := range p.Containers {
		if !p.Containers[i].idle() {
			return false
		}
	}
	return true
}
