package api

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The words of the STATUS column are not a field of a Pod: every `kubectl get pods` shows what the API server's printer derives
// from the phase and the containers' states. The rules below are that printer's (kubernetes,
// pkg/printers/internalversion/printers.go, printPod), so that the words are the same here.

// summary is what one line about a Pod says.
type summary struct {
	reason      string // the STATUS column
	ready       int    // containers that are ready, sidecars counted
	containers  int    // containers that could be, sidecars counted
	restarts    int
	lastRestart metav1.Time // end of the youngest instance that was restarted; zero if unknown
}

func summarize(pod *corev1.Pod) summary {
	sum := summary{reason: string(pod.Status.Phase), containers: len(pod.Spec.Containers)}
	if pod.Status.Reason != "" {
		sum.reason = pod.Status.Reason
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Reason == corev1.PodReasonSchedulingGated {
			sum.reason = corev1.PodReasonSchedulingGated
		}
	}
	initializing := sum.addInit(pod)
	if !initializing || conditionTrue(pod, corev1.PodInitialized) {
		sum.addMain(pod)
	}
	terminal := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	if pod.DeletionTimestamp != nil && !terminal {
		sum.reason = "Terminating"
	}
	return sum
}

// addInit looks at the init containers in their order until the first that is not done; that one gives the reason.
func (sum *summary) addInit(pod *corev1.Pod) (initializing bool) {
	for _, container := range pod.Spec.InitContainers {
		if isSidecar(pod, container.Name) {
			sum.containers++
		}
	}
	for i := range pod.Status.InitContainerStatuses {
		status := &pod.Status.InitContainerStatuses[i]
		sum.addRestarts(status)
		if ended := status.State.Terminated; ended != nil && ended.ExitCode == 0 {
			continue
		}
		if isSidecar(pod, status.Name) && status.Started != nil && *status.Started {
			if status.Ready {
				sum.ready++
			}
			continue
		}
		sum.reason = initReason(status, i, len(pod.Spec.InitContainers))
		return true
	}
	return false
}

func initReason(status *corev1.ContainerStatus, done, all int) string {
	if ended := status.State.Terminated; ended != nil {
		return "Init:" + endReason(ended)
	}
	if waiting := status.State.Waiting; waiting != nil && waiting.Reason != "" && waiting.Reason != "PodInitializing" {
		return "Init:" + waiting.Reason
	}
	return fmt.Sprintf("Init:%d/%d", done, all)
}

// addMain looks at the containers from the last to the first, so that the first one with something to say has the last word.
// Restarts of init containers do not count any more once the Pod is past them, those of sidecars do.
func (sum *summary) addMain(pod *corev1.Pod) {
	sum.restarts, sum.lastRestart = 0, metav1.Time{}
	for i := range pod.Status.InitContainerStatuses {
		if isSidecar(pod, pod.Status.InitContainerStatuses[i].Name) {
			sum.addRestarts(&pod.Status.InitContainerStatuses[i])
		}
	}
	running := false
	for i := len(pod.Status.ContainerStatuses) - 1; i >= 0; i-- {
		status := &pod.Status.ContainerStatuses[i]
		sum.addRestarts(status)
		switch state := status.State; {
		case state.Waiting != nil && state.Waiting.Reason != "":
			sum.reason = state.Waiting.Reason
		case state.Terminated != nil:
			sum.reason = endReason(state.Terminated)
		case status.Ready && state.Running != nil:
			running = true
			sum.ready++
		}
	}
	if sum.reason == "Completed" && running {
		sum.reason = "NotReady"
		if conditionTrue(pod, corev1.PodReady) {
			sum.reason = "Running"
		}
	}
}

func (sum *summary) addRestarts(status *corev1.ContainerStatus) {
	sum.restarts += int(status.RestartCount)
	if last := status.LastTerminationState.Terminated; last != nil && sum.lastRestart.Before(&last.FinishedAt) {
		sum.lastRestart = last.FinishedAt
	}
}

func endReason(ended *corev1.ContainerStateTerminated) string {
	switch {
	case ended.Reason != "":
		return ended.Reason
	case ended.Signal != 0:
		return fmt.Sprintf("Signal:%d", ended.Signal)
	default:
		return fmt.Sprintf("ExitCode:%d", ended.ExitCode)
	}
}

func isSidecar(pod *corev1.Pod, name string) bool {
	for _, container := range pod.Spec.InitContainers {
		if container.Name == name {
			return container.RestartPolicy != nil && *container.RestartPolicy == corev1.ContainerRestartPolicyAlways
		}
	}
	return false
}

func conditionTrue(pod *corev1.Pod, kind corev1.PodConditionType) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == kind {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}
