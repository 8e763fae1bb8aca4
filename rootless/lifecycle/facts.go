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
	Volumes    Volumes     //
	Containers []Container // in the order of kube.Containers
	Conditions []Condition // since when each condition is what it is
	RestartAll bool        // a container asked with its exit code for all to be restarted, and some of the old still run
	Resizing   bool        // a running container has other resources than the spec's
	Failure    *Failure    // why the node put an end to the Pod; nil if it did not
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
	Hook     HookKind  // that runs in the running instance; none after Adopted
	Kill     string    // why the running instance has to end, as the event about it says; empty if it does not
	KillBy   *int64    // how many seconds it has for that; nil: the Pod's grace period
	StopBy   time.Time // the running instance is ending, and is killed then; zero if it is not
	Asked    time.Time // the StopBy of the last StopContainer; zero while its hook runs or others have to end first
	Replace  bool      // another instance comes after this one, whatever the restart policy: the spec's image changed, or all are restarted
	Again    bool      // a probe or a hook failed: another instance comes after this one, if any does after a failure
	Done     bool      // of an init container: it has done its part in this sandbox, so that the next one may start

	Now     *Instance // the newest instance, running or not; nil before the first
	Last    *Instance // the one before it, whose log is kept
	Refused *Refusal  // why the last start came to nothing; nil if it did not
	Giving  string    // the resources for the instance that is starting, as in Instance
	Resize  Resize    // of the running instance
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
	Reason     string // Completed, Error, OOMKilled, StartError, ContainerStatusUnknown
	Message    string
	Passed     bool   // its startup probe succeeded
	Ready      bool   // its readiness probe succeeded last
	Given      string // the resources that it has, see given
}

// Failure is why a Pod failed as a whole.
type Failure struct{ Reason, Message string }

// Refusal tells why a container could not be started.
type Refusal struct {
	Reason  string // CreateContainerConfigError, CreateContainerError, RunContainerError or PostStartHookError
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

func (p *Pod) container(name string) *Container {
	for i := range p.Containers {
		if p.Containers[i].Name == name {
			return &p.Containers[i]
		}
	}
	return nil
}

func (p *Pod) deleting() bool { return p.Object.DeletionTimestamp != nil }

func (p *Pod) allIdle() bool {
	for i := range p.Containers {
		if !p.Containers[i].idle() {
			return false
		}
	}
	return true
}
