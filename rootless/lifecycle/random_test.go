package lifecycle

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/peapod/peapod/rootless/kube"
)

// world is a node that answers as it likes, but never against the rules: it keeps what is really there and checks that no
// action contradicts it.
type world struct {
	t       *testing.T
	rand    *rand.Rand
	now     time.Time
	pod     *Pod
	trail   []string
	open    []Action        // requests that are not answered
	box     bool            // the sandbox exists
	volumes bool            // the last request for volumes was answered well
	alive   map[string]bool // "container attempt" of running instances
	wakeAt  time.Time
	done    bool
}

// TestRandom plays many random lives. Whatever happens, the Pod's requests make sense, its facts go through JSON, and when it is deleted
// and its requests are answered, it finishes.
func TestRandom(t *testing.T) {
	lives := 300
	if testing.Short() {
		lives = 50
	}
	for seed := range lives {
		w := &world{t: t, rand: rand.New(rand.NewPCG(uint64(seed), 1)), now: epoch, alive: map[string]bool{}}
		w.live(seed)
		if t.Failed() {
			t.Fatalf("seed %d:\n%s", seed, w.story())
		}
	}
}

func (w *world) live(seed int) {
	defer func() {
		if cause := recover(); cause != nil {
			w.t.Errorf("panic: %v", cause)
		}
	}()
	policies := []string{"Always", "OnFailure", "Never"}
	words := []string{policies[seed%3], "grace=7", "volume=v"}
	if seed%2 == 0 {
		words = append(words, "init:i=i:1", "sidecar:s=s:1+startup+preStop", "init:j=j:1", "sidecar:t=t:1+live+postStart")
	}
	if seed%5 == 0 {
		words = append(words, "deadline=2000")
	}
	words = append(words, "a=a:1", "b=b")
	if seed%4 >= 2 {
		words[len(words)-2] += "+live+ready+postStart+preStop"
		words[len(words)-1] += "+startup+on:1+restart:Never"
		if seed%3 == 0 {
			words[len(words)-1] += "+all-on:0"
		}
	}
	w.pod = New(newPod(w.t, words), w.now)
	w.step(Added{})
	for range w.rand.IntN(80) {
		w.happen()
	}
	w.step(DeleteRequested{Grace: int64(w.rand.IntN(3)) * 10, At: w.now})
	for range 200 {
		if w.done {
			break
		}
		w.answerAny()
		if w.rand.IntN(4) == 0 && !w.wakeAt.IsZero() && w.now.Before(w.wakeAt) {
			w.now = w.wakeAt
			w.step(Tick{})
		}
		if len(w.open) == 0 && !w.done && w.rand.IntN(4) == 0 {
			w.step(Tick{})
		}
	}
	if !w.done {
		w.t.Errorf("not finished; open: %v", w.open)
	}
	if len(w.alive) > 0 || w.box {
		w.t.Errorf("finished, but left behind: %v, sandbox %v", w.alive, w.box)
	}
}

// happen lets one thing happen.
func (w *world) happen() {
	switch n := w.rand.IntN(20); {
	case n < 9:
		w.answerAny()
	case n < 12:
		w.exitAny()
	case n < 15:
		w.now = w.now.Add(time.Duration(w.rand.IntN(400)) * time.Second)
		if !w.wakeAt.IsZero() && w.now.Before(w.wakeAt) && w.rand.IntN(2) == 0 {
			w.now = w.wakeAt
		}
		w.step(Tick{})
	case n < 16 && w.box && w.pod.Sandbox.Phase == HaveSandbox:
		w.step(SandboxLost{})
	case n < 18:
		w.restartNode()
	case n < 19:
		object := w.pod.Object.DeepCopy()
		c := &object.Spec.Containers[w.rand.IntN(2)]
		if w.rand.IntN(2) == 0 {
			c.Image = fmt.Sprintf("x:%d", w.rand.IntN(3))
		} else {
			c.Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: *resource.NewQuantity(w.rand.Int64N(3), resource.DecimalSI)}
			c.ResizePolicy = []corev1.ContainerResizePolicy{{ResourceName: corev1.ResourceCPU, RestartPolicy: corev1.RestartContainer}}[w.rand.IntN(2):]
		}
		w.step(Updated{Object: object})
	case n < 20 && w.rand.IntN(2) == 0:
		if probes := w.pod.Probes(); len(probes) > 0 {
			p := probes[w.rand.IntN(len(probes))]
			w.step(ProbeChanged{Container: p.Container, Attempt: p.Attempt, Kind: p.Kind, Success: w.rand.IntN(2) == 0})
		}
	default: // an answer to a question of long ago
		w.step(VolumeSourceChanged{})
		w.step(ImageReady{Container: "a", Image: "old", ImageID: "old"})
		w.step(ContainerExited{Container: "b", Attempt: -1, At: w.now})
	}
}

// restartNode loses all open requests. Some were carried out before, and of those some are noticed after.
func (w *world) restartNode() {
	w.pod = roundTrip(w.t, w.pod)
	open := w.open
	w.open, w.wakeAt, w.volumes = nil, time.Time{}, false
	for _, a := range open {
		if start, ok := a.(StartContainer); ok && w.rand.IntN(2) == 0 {
			w.alive[instance(start.Container, start.Attempt)] = true
			w.step(ContainerStarted{Container: start.Container, Attempt: start.Attempt, ID: "survivor"})
		}
	}
	if w.rand.IntN(3) == 0 {
		w.exitAny()
	}
	w.step(Adopted{})
}

func instance(container string, attempt int32) string {
	return fmt.Sprintf("%s %d", container, attempt)
}

// answerAny answers one open request.
func (w *world) answerAny() {
	if len(w.open) == 0 {
		return
	}
	i := w.rand.IntN(len(w.open))
	a := w.open[i]
	w.open = append(w.open[:i:i], w.open[i+1:]...)
	good := w.rand.IntN(4) > 0
	switch a := a.(type) {
	case CreateSandbox:
		if w.box = good; good {
			w.step(SandboxReady{IPs: []string{"10.0.0.9"}})
		} else {
			w.step(SandboxFailed{Err: "no"})
		}
	case RemoveSandbox:
		w.box = false
		clear(w.alive)
		w.step(SandboxRemoved{})
	case MountVolumes:
		if w.volumes = good; good {
			w.step(VolumesReady{})
		} else {
			w.step(VolumesFailed{Failures: []VolumeFailure{{Volume: "v", Err: "no"}}})
		}
	case PullImage:
		if good {
			w.step(ImageReady{Container: a.Container, Image: a.Image, ImageID: "id"})
		} else {
			w.step(ImageFailed{Container: a.Container, Image: a.Image, Err: "no"})
		}
	case StartContainer:
		if good {
			w.alive[instance(a.Container, a.Attempt)] = true
			w.step(ContainerStarted{Container: a.Container, Attempt: a.Attempt, ID: "id"})
		} else {
			reasons := []string{CreateContainerConfigError, CreateContainerError, RunContainerError}
			w.step(StartFailed{Container: a.Container, Attempt: a.Attempt, Reason: reasons[w.rand.IntN(3)], Err: "no"})
		}
	case ResizeContainer:
		resized := ContainerResized{Container: a.Container, Attempt: a.Attempt}
		if !good {
			resized.Err = "no"
		}
		w.step(resized)
	case RunHook:
		done := HookDone{Container: a.Container, Attempt: a.Attempt, Kind: a.Kind}
		if !good {
			done.Err = "no"
		}
		w.step(done)
	case StopContainer:
		if w.alive[instance(a.Container, a.Attempt)] {
			delete(w.alive, instance(a.Container, a.Attempt))
			w.step(ContainerExited{Container: a.Container, Attempt: a.Attempt, Signal: 15, At: w.now})
		}
	}
}

// exitAny ends one running instance.
func (w *world) exitAny() {
	for i := range w.pod.Containers {
		c := &w.pod.Containers[i]
		if c.running() && w.rand.IntN(2) == 0 {
			delete(w.alive, instance(c.Name, c.Now.Attempt))
			w.step(ContainerExited{Container: c.Name, Attempt: c.Now.Attempt, ExitCode: int32(w.rand.IntN(2)), At: w.now, Unknown: w.rand.IntN(5) == 0})
			return
		}
	}
}

func (w *world) step(e Event) {
	if w.done {
		return
	}
	if u, ok := e.(Updated); ok {
		w.trail = append(w.trail, fmt.Sprintf("> +%v Updated a=%s b=%s", w.now.Sub(epoch), u.Object.Spec.Containers[0].Image, u.Object.Spec.Containers[1].Image))
	} else {
		w.trail = append(w.trail, fmt.Sprintf("> +%v %T%+v", w.now.Sub(epoch), e, e))
	}
	before := w.pod.Status(kube.Node{})
	defer func() {
		if w.t.Failed() && !w.done {
			w.done = true
			w.trail = append(w.trail, "HERE")
		}
	}()
	for _, a := range w.pod.Step(w.now, e) {
		w.trail = append(w.trail, describe(a))
		w.take(a)
	}
	roundTrip(w.t, w.pod)
	w.checkStatus(&before, e)
}

// take checks that an action makes sense and keeps it if it needs an answer.
func (w *world) take(a Action) {
	switch a := a.(type) {
	case WakeAt:
		if !a.At.After(w.now) {
			w.t.Errorf("WakeAt in the past")
		}
		w.wakeAt = a.At
		return
	case StartContainer:
		if !w.box || w.pod.Sandbox.Phase != HaveSandbox {
			w.t.Errorf("start without a sandbox")
		}
		if !w.volumes {
			w.t.Errorf("start without volumes")
		}
		if w.pod.Object.DeletionTimestamp != nil {
			w.t.Errorf("start of a deleted Pod")
		}
		if w.running(a.Container) {
			w.t.Errorf("start of %s, which runs", a.Container)
		}
		w.checkOrder(a.Container)
	case StopContainer:
		w.checkStop(a)
	case RemoveSandbox:
		if len(w.alive) > 0 {
			w.t.Errorf("removal of the sandbox under %v", w.alive)
		}
	case RemoveContainer:
		if w.alive[instance(a.Container, a.Attempt)] {
			w.t.Errorf("removal of a running container")
		}
		return
	case Finish:
		w.done = true
		for _, open := range w.open {
			if _, ok := open.(MountVolumes); ok {
				w.t.Errorf("finished while volumes are being mounted")
			}
		}
		return
	case Emit:
		return
	}
	w.open = append(w.open, a)
}

func (w *world) running(container string) bool {
	for i := range int32(200) {
		if w.alive[instance(container, i)] {
			return true
		}
	}
	return false
}

// checkOrder checks that no init container before this one is still at work.
func (w *world) checkOrder(container string) {
	for i := range w.pod.Object.Spec.InitContainers {
		before := &w.pod.Object.Spec.InitContainers[i]
		if before.Name == container {
			return
		}
		if !kube.IsSidecar(before) && w.running(before.Name) {
			w.t.Errorf("start of %s while %s runs", container, before.Name)
		}
	}
}

// checkStop checks that a sidecar is not told to end before its time while others run.
func (w *world) checkStop(a StopContainer) {
	for _, init := range w.pod.Object.Spec.InitContainers {
		c := w.pod.container(a.Container)
		if init.Name != a.Container || !kube.IsSidecar(&init) || c.Now == nil || c.Now.ID != a.ID || c.Kill != "" || !w.now.Before(c.StopBy) {
			continue
		}
		for _, other := range w.pod.Object.Spec.Containers {
			if w.running(other.Name) && w.pod.container(other.Name).running() {
				w.t.Errorf("sidecar %s is told to end while %s runs", a.Container, other.Name)
			}
		}
	}
}

// checkStatus checks what users rely on: an end is final, a restart count does not fall.
func (w *world) checkStatus(before *corev1.PodStatus, e Event) {
	after := w.pod.Status(kube.Node{})
	ended := func(p corev1.PodPhase) bool { return p == corev1.PodSucceeded || p == corev1.PodFailed }
	if _, changed := e.(Updated); ended(before.Phase) && after.Phase != before.Phase && !changed {
		w.t.Errorf("phase %s became %s", before.Phase, after.Phase)
	}
	old := append(before.InitContainerStatuses, before.ContainerStatuses...)
	for i, c := range append(after.InitContainerStatuses, after.ContainerStatuses...) {
		if c.RestartCount < old[i].RestartCount {
			w.t.Errorf("restart count fell")
		}
		states := 0
		for _, given := range []bool{c.State.Running != nil, c.State.Waiting != nil, c.State.Terminated != nil} {
			if given {
				states++
			}
		}
		if states != 1 || c.Ready && i >= len(after.InitContainerStatuses) && (c.State.Running == nil || !*c.Started) {
			w.t.Errorf("inconsistent status %+v", c)
		}
	}
}

func (w *world) story() string {
	out := ""
	for _, line := range w.trail {
		out += line + "\n"
	}
	return out
}
