package lifecycle

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Event is something that has happened. The time of it is Step's argument unless the event has its own.
type Event interface{ event() }

type (
	// Added begins a Pod's life on this node; it comes once after New.
	Added struct{}
	// Adopted voids every request that is not answered: they were made by a node that is no more.
	Adopted struct{}
	// Tick says that time has passed; the answer to WakeAt.
	Tick struct{}
	// Updated brings a changed object. Of the spec, only images, the deadline and resources may differ (kube.ValidateUpdate), and ephemeral containers
	// may be new.
	Updated struct{ Object *corev1.Pod }
	// DeleteRequested asks for the Pod's end within Grace seconds of At. A second one can only shorten the time.
	DeleteRequested struct {
		Grace int64 // seconds; 0 kills at once, a negative one counts as 1
		At    time.Time
	}

	// Evicted says that the Pod takes what the machine does not give it: it has to end, as failed. Message tells users of what it took too much.
	Evicted struct{ Message string }

	// SandboxReady answers CreateSandbox.
	SandboxReady struct{ IPs []string } // IPv4 first
	// SandboxFailed answers CreateSandbox: nothing of it is left.
	SandboxFailed struct{ Err string }
	// SandboxLost says that the pause died, so that the sandbox cannot be joined any more.
	SandboxLost struct{}
	// SandboxRemoved answers RemoveSandbox.
	SandboxRemoved struct{}

	// ImagePulling says that the store lacks the image, or that the policy is Always, and bytes begin to move.
	ImagePulling struct{ Container, Image string }
	// ImageReady answers PullImage.
	ImageReady struct {
		Container, Image string // as in PullImage
		ImageID          string
		Present          bool          // it was in the store; the rest is zero then
		Took             time.Duration //
		Size             int64         // bytes
	}
	// ImageFailed answers PullImage.
	ImageFailed struct {
		Container, Image string // as in PullImage
		Reason           string // ErrImagePull if empty; ErrImageNeverPull, InvalidImageName or ImageInspectError
		Err              string // the cause alone: the sentence around it follows from Reason
	}

	// ContainerStarted answers StartContainer: the first instruction has run. A start that nobody waits for is undone.
	ContainerStarted struct {
		Container string
		Attempt   int32
		ID        string
		ImageID   string // empty: as in StartContainer
	}
	// StartFailed answers StartContainer. Of CreateContainerConfigError and CreateContainerError nothing is left; a
	// RunContainerError leaves an instance with a log, as if it had exited with 128.
	StartFailed struct {
		Container string
		Attempt   int32
		ID        string // of a RunContainerError
		Reason    string
		Err       string
	}
	// ContainerExited says that the instance's first process is gone, and all others with it. It answers StopContainer, if there was one.
	ContainerExited struct {
		Container string
		Attempt   int32
		ExitCode  int32 // ignored if Signal is set
		Signal    int32 // that ended it; 0 if it exited
		At        time.Time
		Unknown   bool   // nobody saw how it ended
		OOMKilled bool   // the kernel ended it for want of memory
		Message   string // its termination message
	}

	// HookDone answers RunHook.
	HookDone struct {
		Container string
		Attempt   int32
		Kind      HookKind
		Err       string // why it failed; empty if it did not
	}
	// ProbeChanged says that a probe of Probes has succeeded or failed often enough in a row to count, and that this is news.
	ProbeChanged struct {
		Container string
		Attempt   int32
		Kind      ProbeKind
		Success   bool
	}
)

func (Added) event()            {}
func (Adopted) event()          {}
func (Tick) event()             {}
func (Updated) event()          {}
func (DeleteRequested) event()  {}
func (Evicted) event()          {}
func (SandboxReady) event()     {}
func (SandboxFailed) event()    {}
func (SandboxLost) event()      {}
func (SandboxRemoved) event()   {}
func (ImagePulling) event()     {}
func (ImageReady) event()       {}
func (ImageFailed) event()      {}
func (ContainerStarted) event() {}
func (StartFailed) event()      {}
func (ContainerExited) event()  {}
func (HookDone) event()         {}
func (ProbeChanged) event()     {}

// The reasons of StartFailed.
const (
	CreateContainerConfigError = "CreateContainerConfigError"
	CreateContainerError       = "CreateContainerError"
	RunContainerError          = "RunContainerError"
)

// Action is something to do. Actions of one step may be done at the same time, except that those of one container keep
// their order.
type Action interface{ action() }

type (
	// CreateSandbox asks for namespaces, pause and network. Answer: SandboxReady or SandboxFailed.
	CreateSandbox struct{ Attempt int32 }
	// RemoveSandbox asks for their removal; whatever still runs in them is killed. Answer: SandboxRemoved.
	RemoveSandbox struct{}
	// PullImage asks for the image to be in the store. Answer: ImageReady or ImageFailed (ImagePulling may come before).
	PullImage struct {
		Container, Image string
		Policy           corev1.PullPolicy
	}
	// StartContainer asks for a new instance in the sandbox. Answer: ContainerStarted or StartFailed.
	StartContainer struct {
		Container string
		Attempt   int32
		ImageID   string
	}
	// StopContainer sends the stop signal, and SIGKILL after Grace seconds (at once if 0). A later one with a shorter Grace replaces the
	// first. Answer: ContainerExited.
	StopContainer struct {
		Container string
		Attempt   int32
		ID        string
		Grace     int64
	}
	// RunHook asks for a hook of the running instance. The time that a preStop hook may take is Limit seconds; that of a postStart hook ends with
	// the instance. Answer: HookDone.
	RunHook struct {
		Container string
		Attempt   int32
		ID        string
		Kind      HookKind
		Limit     int64 // of PreStop
	}
	// RemoveContainer asks for the removal of an ended instance's files and log. No answer.
	RemoveContainer struct {
		Container string
		Attempt   int32
		ID        string
	}
	// WakeAt asks for a Tick at that time; it replaces any WakeAt before. No answer.
	WakeAt struct{ At time.Time }
	// Emit records an event of the API for users to read. No answer.
	Emit struct {
		Type      string // Normal or Warning
		Reason    string
		Message   string
		Container string // empty: about the Pod
	}
	// Finish says that the object is to be deleted with every file that is left of the Pod, and that its pulls may be given up.
	Finish struct{}
)

func (CreateSandbox) action()   {}
func (RemoveSandbox) action()   {}
func (PullImage) action()       {}
func (StartContainer) action()  {}
func (StopContainer) action()   {}
func (RunHook) action()         {}
func (RemoveContainer) action() {}
func (WakeAt) action()          {}
func (Emit) action()            {}
func (Finish) action()          {}
