package kube

import corev1 "k8s.io/api/core/v1"

// What the kubelet gives to containers by their Pod's class (kubernetes.io, "Node out of memory behavior").
const (
	guaranteedOOM = -997
	bestEffortOOM = 1000
)

// OOMScoreAdj is how likely the kernel is to choose a container's processes when memory runs out, from -1000 to 1000 (proc(5),
// oom_score_adj): the less of the machine's memory a container has asked for, the likelier. What the Pod has asked for beyond that is shared out
// among its containers. capacity is that memory in bytes.
func OOMScoreAdj(pod *corev1.Pod, c *corev1.Container, capacity int64) int {
	switch QOS(pod) {
	case corev1.PodQOSGuaranteed:
		return guaranteedOOM
	case corev1.PodQOSBestEffort:
		return bestEffortOOM
	}
	request := c.Resources.Requests.Memory().AsApproximateFloat64()
	if whole := podResources(pod); whole != nil {
		asked := containerRequests(&pod.Spec)
		rest := whole.Requests.Memory().AsApproximateFloat64() - asked.Memory().AsApproximateFloat64()
		request += max(rest, 0) / float64(len(pod.Spec.Containers)+len(pod.Spec.InitContainers))
	}
	score := 1000 - int(1000*request/float64(capacity))
	return min(max(score, 1000+guaranteedOOM), bestEffortOOM-1)
}
