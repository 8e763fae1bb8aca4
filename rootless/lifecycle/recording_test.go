package lifecycle

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/peapod/peapod/rootless/kube"
)

var update = flag.Bool("update", false, "rewrite the recordings in testdata")

// TestRecordings plays the stories in testdata/*.txt. A line "> event" is given to the Pod; the lines after it are the
// actions it returned and, if it changed, a summary of the status. Rewrite them with -update and read the difference.
func TestRecordings(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(data))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(data) {
				t.Errorf("the recording differs; got:\n%s", got)
			}
		})
	}
}

var epoch = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// story is one recording being played.
type story struct {
	t       *testing.T
	now     time.Time
	pod     *Pod
	summary string
	out     strings.Builder
}

func play(t *testing.T, script string) string {
	s := &story{t: t, now: epoch}
	for _, line := range strings.Split(script, "\n") {
		switch {
		case strings.HasPrefix(line, "> "):
			fmt.Fprintln(&s.out, line)
			s.command(strings.Fields(line[2:]))
		case strings.HasPrefix(line, "#"), line == "":
			fmt.Fprintln(&s.out, line)
		}
	}
	return strings.TrimRight(s.out.String(), "\n") + "\n"
}

func (s *story) command(words []string) {
	switch words[0] {
	case "pod":
		s.pod = New(newPod(s.t, words[1:]), s.now)
	case "wait":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			s.t.Fatal(err)
		}
		s.now = s.now.Add(d)
		s.step(Tick{})
	case "restart-node": // the facts go through their file
		s.pod = roundTrip(s.t, s.pod)
	case "reboot": // only the object with its status is left
		object := s.pod.Object.DeepCopy()
		object.Status = s.pod.Status(kube.Node{})
		s.pod = New(object, s.now)
	default:
		s.step(s.event(words))
	}
}

func (s *story) step(e Event) {
	for _, a := range s.pod.Step(s.now, e) {
		fmt.Fprintf(&s.out, "%s\n", describe(a))
	}
	if summary := summarize(s.pod); summary != s.summary {
		s.summary = summary
		fmt.Fprint(&s.out, summary)
	}
	roundTrip(s.t, s.pod)
}

// newPod reads "Always grace=5 deadline=60 volume=name init:name=image:tag sidecar:name=image name=image,Never+postStart+live …": what follows
// a plus is a hook, a probe or a restart policy of the container.
func newPod(t *testing.T, words []string) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "demo", Namespace: "default", UID: "uid", Generation: 1},
		Spec:       corev1.PodSpec{RestartPolicy: corev1.RestartPolicy(words[0])},
	}
	for _, word := range words[1:] {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "grace":
			grace := number(t, value)
			pod.Spec.TerminationGracePeriodSeconds = &grace
			continue
		case "deadline":
			deadline := number(t, value)
			pod.Spec.ActiveDeadlineSeconds = &deadline
			continue
		case "volume":
			pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: value})
			continue
		}
		list := &pod.Spec.Containers
		kind, plain, ok := strings.Cut(name, ":")
		if ok {
			list, name = &pod.Spec.InitContainers, plain
		}
		*list = append(*list, newContainer(t, name, value))
		if kind == "sidecar" {
			always := corev1.ContainerRestartPolicyAlways
			(*list)[len(*list)-1].RestartPolicy = &always
		}
	}
	kube.Default(pod)
	return pod
}

func newContainer(t *testing.T, name, value string) corev1.Container {
	value, options, _ := strings.Cut(value, "+")
	image, policy, _ := strings.Cut(value, ",")
	c := corev1.Container{Name: name, Image: image, ImagePullPolicy: corev1.PullPolicy(policy), Lifecycle: &corev1.Lifecycle{}}
	hook := &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 1}}
	for _, option := range strings.Split(options, "+") {
		key, value, _ := strings.Cut(option, ":")
		switch key {
		case "":
		case "postStart":
			c.Lifecycle.PostStart = hook
		case "preStop":
			c.Lifecycle.PreStop = hook
		case "startup":
			c.StartupProbe = &corev1.Probe{}
		case "ready":
			c.ReadinessProbe = &corev1.Probe{}
		case "resize-restart":
			c.ResizePolicy = []corev1.ContainerResizePolicy{{ResourceName: corev1.ResourceCPU, RestartPolicy: corev1.RestartContainer}}
		case "live":
			c.LivenessProbe = &corev1.Probe{}
			if value != "" {
				grace := number(t, value)
				c.LivenessProbe.TerminationGracePeriodSeconds = &grace
			}
		case "restart":
			policy := corev1.ContainerRestartPolicy(value)
			c.RestartPolicy = &policy
		case "on", "all-on":
			action := corev1.ContainerRestartRuleActionRestart
			if key == "all-on" {
				action = corev1.ContainerRestartRuleActionRestartAllContainers
			}
			c.RestartPolicyRules = append(c.RestartPolicyRules, corev1.ContainerRestartRule{
				Action: action,
				ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{
					Operator: corev1.ContainerRestartRuleOnExitCodesOpIn, Values: []int32{int32(number(t, value))},
				},
			})
		default:
			t.Fatalf("unknown option %q", option)
		}
	}
	return c
}

func number(t *testing.T, word string) int64 {
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (s *story) event(words []string) Event {
	arg := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	rest := func(i int) string { return strings.Join(words[min(i, len(words)):], " ") }
	attempt := func() int32 { return int32(number(s.t, arg(2))) }
	image := func() string {
		if c := s.pod.container(arg(1)); c != nil {
			return c.Image.Name
		}
		return ""
	}
	switch words[0] {
	case "added":
		return Added{}
	case "adopted":
		return Adopted{}
	case "delete":
		return DeleteRequested{Grace: number(s.t, arg(1)), At: s.now}
	case "set-image":
		object := s.pod.Object.DeepCopy()
		object.Spec.Containers[0].Image = arg(1)
		object.Generation++
		return Updated{Object: object}
	case "evicted":
		return Evicted{Message: rest(1)}
	case "resize": // the first container's CPU
		object := s.pod.Object.DeepCopy()
		object.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(arg(1))}
		object.Generation++
		return Updated{Object: object}
	case "resized":
		return ContainerResized{Container: arg(1), Attempt: attempt(), Err: rest(3)}
	case "sandbox-ready":
		return SandboxReady{IPs: words[1:]}
	case "sandbox-failed":
		return SandboxFailed{Err: rest(1)}
	case "sandbox-lost":
		return SandboxLost{}
	case "sandbox-removed":
		return SandboxRemoved{}
	case "volumes-ready":
		return VolumesReady{}
	case "volume-failed":
		return VolumesFailed{Failures: []VolumeFailure{{Volume: arg(1), Err: rest(2)}}}
	case "volume-source-changed":
		return VolumeSourceChanged{}
	case "pulling":
		return ImagePulling{Container: arg(1), Image: image()}
	case "present":
		return ImageReady{Container: arg(1), Image: image(), ImageID: "sha256:" + arg(1), Present: true}
	case "pulled":
		return ImageReady{Container: arg(1), Image: image(), ImageID: "sha256:" + arg(1), Took: 1234567 * time.Microsecond, Size: 42}
	case "pull-failed":
		return ImageFailed{Container: arg(1), Image: image(), Reason: arg(2), Err: rest(3)}
	case "started":
		return ContainerStarted{Container: arg(1), Attempt: attempt(), ID: arg(1) + "-" + arg(2)}
	case "start-failed":
		return StartFailed{Container: arg(1), Attempt: attempt(), ID: arg(1) + "-" + arg(2), Reason: arg(3), Err: rest(4)}
	case "exited":
		return ContainerExited{Container: arg(1), Attempt: attempt(), ExitCode: int32(number(s.t, arg(3))), At: s.now}
	case "killed":
		return ContainerExited{Container: arg(1), Attempt: attempt(), Signal: int32(number(s.t, arg(3))), At: s.now}
	case "oom":
		return ContainerExited{Container: arg(1), Attempt: attempt(), Signal: 9, OOMKilled: true, At: s.now}
	case "hook-done":
		return HookDone{Container: arg(1), Attempt: attempt(), Kind: HookKind(arg(3)), Err: rest(4)}
	case "probe":
		return ProbeChanged{Container: arg(1), Attempt: attempt(), Kind: ProbeKind(arg(3)), Success: arg(4) == "ok"}
	case "debug":
		object := s.pod.Object.DeepCopy()
		object.Spec.EphemeralContainers = append(object.Spec.EphemeralContainers, corev1.EphemeralContainer{
			EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: arg(1), Image: arg(2)},
		})
		kube.Default(object)
		return Updated{Object: object}
	case "vanished":
		return ContainerExited{Container: arg(1), Attempt: attempt(), Unknown: true}
	}
	s.t.Fatalf("unknown event %q", words[0])
	return nil
}

func describe(a Action) string {
	switch a := a.(type) {
	case WakeAt:
		return fmt.Sprintf("  WakeAt +%v", a.At.Sub(epoch))
	case Emit:
		return fmt.Sprintf("  event %s %s %s: %s", a.Type, a.Reason, a.Container, a.Message)
	}
	return fmt.Sprintf("  %s%+v", reflect.TypeOf(a).Name(), a)
}

// summarize writes the parts of a status that tell the story.
func summarize(p *Pod) string {
	status := p.Status(kube.Node{IPs: []string{"192.0.2.1"}})
	var b strings.Builder
	fmt.Fprintf(&b, "  = %s ip=%s", status.Phase, status.PodIP)
	for _, c := range status.Conditions {
		if c.Status == corev1.ConditionTrue && c.Type != corev1.PodScheduled && c.Type != corev1.PodInitialized {
			fmt.Fprintf(&b, " %s(+%v)", c.Type, c.LastTransitionTime.Sub(epoch))
		}
	}
	if status.Reason != "" {
		fmt.Fprintf(&b, " %s", status.Reason)
	}
	for _, c := range status.Conditions {
		if c.Type == corev1.PodInitialized && c.Status != corev1.ConditionTrue {
			fmt.Fprintf(&b, " not Initialized: %s", c.Message)
		}
	}
	b.WriteByte('\n')
	for kind, list := range [][]corev1.ContainerStatus{status.InitContainerStatuses, status.ContainerStatuses, status.EphemeralContainerStatuses} {
		for _, c := range list {
			fmt.Fprintf(&b, "    %s%s: restarts=%d %s%s%s\n", []string{"init ", "", "ephemeral "}[kind], c.Name, c.RestartCount,
				state(c.State), readiness(c), last(c.LastTerminationState))
		}
	}
	for _, probe := range p.Probes() {
		fmt.Fprintf(&b, "    probing %s %d %s\n", probe.Container, probe.Attempt, probe.Kind)
	}
	return b.String()
}

// readiness says what is to be said of a running container that is not ready.
func readiness(c corev1.ContainerStatus) string {
	switch {
	case c.State.Running == nil || c.Ready || c.Started == nil: // of ephemeral containers nobody asks
		return ""
	case !*c.Started:
		return ", not started"
	}
	return ", not ready"
}

func state(s corev1.ContainerState) string {
	switch {
	case s.Waiting != nil:
		return strings.TrimSpace("waiting " + s.Waiting.Reason + " " + s.Waiting.Message)
	case s.Running != nil:
		return "running"
	case s.Terminated != nil:
		return fmt.Sprintf("terminated %s %d", s.Terminated.Reason, s.Terminated.ExitCode)
	}
	return "nothing"
}

func last(s corev1.ContainerState) string {
	if s.Terminated == nil {
		return ""
	}
	return fmt.Sprintf(" (before: %s %d, %s)", s.Terminated.Reason, s.Terminated.ExitCode, s.Terminated.ContainerID)
}

// roundTrip sends the facts through JSON and checks that nothing is lost.
func roundTrip(t *testing.T, p *Pod) *Pod {
	t.Helper()
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	q := &Pod{}
	if err := json.Unmarshal(data, q); err != nil {
		t.Fatal(err)
	}
	q.Object = p.Object
	same := *p
	same.active, same.wake = false, time.Time{}
	if !reflect.DeepEqual(&same, q) {
		t.Fatalf("facts change on their way through JSON:\n%+v\n%+v", &same, q)
	}
	return q
}

// TestFactsOfAnOlderNode: what a node wrote that knew of regular containers only.
func TestFactsOfAnOlderNode(t *testing.T) {
	p := &Pod{}
	old := `{"StartTime": "2026-01-01T12:00:00Z", "Sandbox": {"Phase": "ready", "IPs": ["10.0.0.2"]}, "Finished": false,
		"Containers": [{"Name": "app", "Now": {"Attempt": 3, "ID": "x", "Image": "app:1", "StartedAt": "2026-01-01T12:00:00Z"}}]}`
	if err := json.Unmarshal([]byte(old), p); err != nil {
		t.Fatal(err)
	}
	p.Object = newPod(t, []string{"Always", "app=app:1"})
	if actions := p.Step(epoch, Adopted{}); len(actions) != 0 {
		t.Errorf("adopting it asks for %+v", actions)
	}
	status := p.Status(kube.Node{})
	if c := status.ContainerStatuses[0]; status.Phase != corev1.PodRunning || !c.Ready || !*c.Started || c.RestartCount != 3 {
		t.Errorf("got %+v", status)
	}
}
