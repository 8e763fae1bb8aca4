package api

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var testNow = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func waiting(reason string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}
}

func ended(code, signal int32, reason string) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ExitCode: code, Signal: signal, Reason: reason, FinishedAt: metav1.NewTime(testNow.Add(-5 * time.Second)),
	}}
}

var runningState = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}

// podWith has as many containers as statuses.
func podWith(phase corev1.PodPhase, statuses ...corev1.ContainerStatus) *corev1.Pod {
	pod := &corev1.Pod{Status: corev1.PodStatus{Phase: phase, ContainerStatuses: statuses}}
	for i := range statuses {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: fmt.Sprint("c", i)})
	}
	return pod
}

// initPod has init containers i0, i1, … with these statuses and one container that waits; sidecar is the index of a sidecar or -1.
func initPod(sidecar int, statuses ...corev1.ContainerStatus) *corev1.Pod {
	pod := podWith(corev1.PodPending, corev1.ContainerStatus{State: waiting("PodInitializing")})
	always := corev1.ContainerRestartPolicyAlways
	for i := range statuses {
		container := corev1.Container{Name: fmt.Sprint("i", i)}
		if i == sidecar {
			container.RestartPolicy = &always
		}
		statuses[i].Name = container.Name
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, container)
	}
	pod.Status.InitContainerStatuses = statuses
	return pod
}

func with(pod *corev1.Pod, change func(*corev1.Pod)) *corev1.Pod {
	change(pod)
	return pod
}

func condition(kind corev1.PodConditionType, reason string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue, Reason: reason})
	}
}

func deleted(pod *corev1.Pod) { pod.DeletionTimestamp = &metav1.Time{Time: testNow} }

func TestStatusColumns(t *testing.T) {
	yes := true
	ready := corev1.ContainerStatus{Ready: true, State: runningState}
	for _, test := range []struct {
		name   string
		pod    *corev1.Pod
		ready  string
		status string
		again  string
	}{
		{"running", podWith(corev1.PodRunning, ready, ready), "2/2", "Running", "0"},
		{"one not ready", podWith(corev1.PodRunning, ready, corev1.ContainerStatus{State: runningState}), "1/2", "Running", "0"},
		{"pending", podWith(corev1.PodPending), "0/0", "Pending", "0"},
		{"creating", podWith(corev1.PodPending, corev1.ContainerStatus{State: waiting("ContainerCreating")}), "0/1", "ContainerCreating", "0"},
		{"first has the last word", podWith(corev1.PodPending,
			corev1.ContainerStatus{State: waiting("ErrImagePull")}, corev1.ContainerStatus{State: waiting("ImagePullBackOff")}),
			"0/2", "ErrImagePull", "0"},
		{"crash loop", podWith(corev1.PodRunning, corev1.ContainerStatus{
			State: waiting("CrashLoopBackOff"), LastTerminationState: ended(1, 0, "Error"), RestartCount: 3}),
			"0/1", "CrashLoopBackOff", "3 (5s ago)"},
		{"restarted without a trace", podWith(corev1.PodRunning, corev1.ContainerStatus{Ready: true, State: runningState, RestartCount: 2}),
			"1/1", "Running", "2"},
		{"completed", podWith(corev1.PodSucceeded, corev1.ContainerStatus{State: ended(0, 0, "Completed")}), "0/1", "Completed", "0"},
		{"error", podWith(corev1.PodFailed, corev1.ContainerStatus{State: ended(1, 0, "Error")}), "0/1", "Error", "0"},
		{"exit code", podWith(corev1.PodFailed, corev1.ContainerStatus{State: ended(7, 0, "")}), "0/1", "ExitCode:7", "0"},
		{"signal", podWith(corev1.PodFailed, corev1.ContainerStatus{State: ended(137, 9, "")}), "0/1", "Signal:9", "0"},
		{"one completed, ready", with(podWith(corev1.PodRunning, corev1.ContainerStatus{State: ended(0, 0, "Completed")}, ready),
			condition(corev1.PodReady, "")), "1/2", "Running", "0"},
		{"one completed, not ready", podWith(corev1.PodRunning, corev1.ContainerStatus{State: ended(0, 0, "Completed")}, ready),
			"1/2", "NotReady", "0"},
		{"evicted", with(podWith(corev1.PodFailed), func(p *corev1.Pod) { p.Status.Reason = "Evicted" }), "0/0", "Evicted", "0"},
		{"deadline with containers", with(podWith(corev1.PodFailed, corev1.ContainerStatus{State: ended(137, 0, "Error")}),
			func(p *corev1.Pod) { p.Status.Reason = "DeadlineExceeded" }), "0/1", "Error", "0"},
		{"gated", with(podWith(corev1.PodPending), condition(corev1.PodScheduled, corev1.PodReasonSchedulingGated)), "0/0", "SchedulingGated", "0"},
		{"terminating", with(podWith(corev1.PodRunning, ready), deleted), "1/1", "Terminating", "0"},
		{"deleted after its end", with(podWith(corev1.PodSucceeded, corev1.ContainerStatus{State: ended(0, 0, "Completed")}), deleted),
			"0/1", "Completed", "0"},

		{"init begins", initPod(-1, corev1.ContainerStatus{State: waiting("PodInitializing")}, corev1.ContainerStatus{}), "0/1", "Init:0/2", "0"},
		{"init second", initPod(-1, corev1.ContainerStatus{State: ended(0, 0, "Completed")}, corev1.ContainerStatus{State: runningState}),
			"0/1", "Init:1/2", "0"},
		{"init pulls", initPod(-1, corev1.ContainerStatus{State: waiting("ErrImagePull")}), "0/1", "Init:ErrImagePull", "0"},
		{"init fails", initPod(-1, corev1.ContainerStatus{State: ended(1, 0, "Error")}), "0/1", "Init:Error", "0"},
		{"init exit code", initPod(-1, corev1.ContainerStatus{State: ended(3, 0, "")}), "0/1", "Init:ExitCode:3", "0"},
		{"init signal", initPod(-1, corev1.ContainerStatus{State: ended(137, 9, "")}), "0/1", "Init:Signal:9", "0"},
		{"init crash loop", initPod(-1, corev1.ContainerStatus{
			State: waiting("CrashLoopBackOff"), RestartCount: 1, LastTerminationState: ended(1, 0, "Error")}), "0/1", "Init:CrashLoopBackOff", "1 (5s ago)"},
		{"init is over", with(initPod(-1, corev1.ContainerStatus{State: ended(0, 0, "Completed"), RestartCount: 4}),
			condition(corev1.PodInitialized, "")), "0/1", "PodInitializing", "0"},
		{"sidecar", initPod(0, corev1.ContainerStatus{Started: &yes, Ready: true, State: runningState, RestartCount: 1}),
			"1/2", "PodInitializing", "1"},
		{"sidecar starts", initPod(0, corev1.ContainerStatus{State: runningState}), "0/2", "Init:0/1", "0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cells := podCells(test.pod, testNow)
			if cells[1] != test.ready || cells[2] != test.status || cells[3] != test.again {
				t.Errorf("got %q, want %s %s %s", cells[1:4], test.ready, test.status, test.again)
			}
		})
	}
}

func TestWideColumns(t *testing.T) {
	pod := podWith(corev1.PodRunning)
	pod.CreationTimestamp = metav1.NewTime(testNow.Add(-40 * time.Second))
	cells := podCells(pod, testNow)
	if got := fmt.Sprint(cells[4:]); got != "[40s <none> <none> <none> <none>]" {
		t.Errorf("got %s", got)
	}
	pod.Spec.NodeName = "host"
	pod.Status.PodIPs = []corev1.PodIP{{IP: "10.1.2.3"}, {IP: "fd00::3"}}
	pod.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "a"}, {ConditionType: "b"}}
	condition("b", "")(pod)
	pod.CreationTimestamp = metav1.Time{}
	cells = podCells(pod, testNow)
	if got := fmt.Sprint(cells[4:]); got != "[<unknown> 10.1.2.3 host <none> 1/2]" {
		t.Errorf("got %s", got)
	}
}
