// Package lifecycle decides what to do next for a Pod. It has no clock, does no I/O and starts no goroutines: a Pod is a
// value that holds the facts known about it, Step takes an event that has happened and returns actions to perform, and
// Status derives what users see.
//
// Words. A fact is something that happened, or that was asked for and is not answered yet. An event is news of the world
// outside (SandboxReady, ContainerExited). An action is a request to it (CreateSandbox, StopContainer); every request is
// answered by exactly one event, sooner or later. An instance is one run of a container; its attempt is its number, from 0.
//
// One Pod, start to end; the node's part is on the right:
//
//	pod := lifecycle.New(object)
//	pod.Step(now, Added{})                → CreateSandbox, PullImage{nginx}      namespaces and pull at the same time
//	pod.Step(now, SandboxReady{…})        → (nothing: the image is missing)
//	pod.Step(now, ImageReady{nginx, …})   → StartContainer{nginx, 0}
//	pod.Step(now, ContainerStarted{…})    → (nothing)
//	pod.Step(now, ContainerExited{…})     → PullImage{nginx}                     each start asks for the image, as the kubelet does
//	pod.Step(now, ImageReady{nginx, …})   → StartContainer{nginx, 1}
//	pod.Step(now, ContainerExited{…})     → WakeAt{now+10s}                      crash loop: 10 s, 20 s, … 5 min
//	pod.Step(now, DeleteRequested{30})    → RemoveSandbox                        nothing runs, so nothing to stop
//	pod.Step(now, SandboxRemoved{})       → Finish
//
// After each step the node saves the facts, then carries out the actions and publishes Status. In this order the facts know of
// every request that may have been carried out.
//
// Step first notes the event, then looks at all facts and asks for whatever is due (function decide); it never
// depends on the order in which two independent events came. The states that follow from the facts:
//
//	sandbox      none ──CreateSandbox──▶ creating ──SandboxReady──▶ ready ──SandboxLost──▶ lost
//	              ▲                         │                         │                      │
//	              │                   SandboxFailed             all over, deleted     all containers down
//	              │                         ▼                         ▼                      │
//	              ├─────── wait ────────  failed                  removing ◀─────────────────┘
//	              └──────────────── SandboxRemoved ───────────────────┘
//
//	image        none ──PullImage──▶ pulling ──ImageReady──▶ ready      (forgotten when the instance has started)
//	(each start)  ▲                     │
//	              │                ImageFailed ──▶ failed (ErrImagePull) ──5 s──▶ backing off (ImagePullBackOff)
//	              └───────────────────────── wait 10 s, 20 s, … 5 min ─────────────────────┘
//
//	volumes      none ──MountVolumes──▶ mounting ──VolumesReady──▶ ready      (asked for anew by each node)
//	              ▲                        │
//	              └── wait 0.5 s, 1 s, … ──┘ VolumesFailed; or VolumeSourceChanged
//	              the Pod is over and its sandbox removed ──RemoveVolumes──▶ removed
//
//	container    waiting ──StartContainer──▶ starting ──ContainerStarted──▶ running ──StopContainer──▶ stopping
//	              ▲   ▲                         │                              │                          │
//	              │   └── wait ── StartFailed ──┘                              └───── ContainerExited ────┤
//	              └──────── restart, at once or after the crash backoff ─────────────────────────────── exited
//
// # Roles
//
// Init containers come first, one after another; each start of one waits until all before it are done: those that end have succeeded, sidecars have
// started. Then the regular containers start at once, but for one: a container with a postStart hook holds up those after it until the hook has
// ended. The Pod is over when all regular containers are, or an init container has failed for good. A new sandbox begins with the init containers again.
//
//	ending       Killing ──RunHook preStop──▶ hook ends, or the time ──▶ its turn, or the time ──StopContainer──▶ ContainerExited
//
// Everything of it goes on the container's grace period. A sidecar's turn comes when the regular containers and the sidecars after it have ended.
//
//	resources    as given ──ResizeContainer──▶ asked ──ContainerResized──▶ as given anew, or 10 s until asked again
//	              └── resizePolicy RestartContainer: the instance ends as if its image had changed
//
// # Probes
//
// Nobody is told to begin or end a probe: Probes says which are to be made now, and the node keeps to it after each step. It counts outcomes itself and
// reports only what changes (ProbeChanged), so a probe that goes well costs no step.
//
// Deletion at any point leads to: stop what runs, wait for starts and the sandbox that were asked for, RemoveSandbox, Finish. Pulls are
// not waited for. A Pod that ran to its end (restartPolicy Never or OnFailure), or was put to it (a deadline, an eviction), goes the same way up to
// RemoveSandbox, loses its volumes, and stays.
//
// A restarted node loads the facts and tells what it found as ordinary events (ContainerExited for what died, SandboxLost,
// ContainerStarted for a start whose answer was lost). These are noted, and nothing is asked for yet. Then comes Adopted, which
// voids every request that is still open and asks for what is due. Whoever is asked again for something half made removes that first.
//
// Not promised: that an action is not repeated after Adopted, and with it an event for users; that a Pod may be used by several
// goroutines.
package lifecycle
