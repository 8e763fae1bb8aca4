package kube

import corev1 "k8s.io/api/core/v1"

// QOS is the Pod's quality of service class: Guaranteed if every container, or the Pod as a whole where it has resources of its own, has equal
// limits and requests of CPU and memory, BestEffort if none has any, else Burstable.
func QOS(pod *corev1.Pod) corev1.PodQOSClass {
	var all []*corev1.ResourceRequirements
	if whole := podResources(pod); whole != nil {
		all = append(all, whole)
	} else {
		for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
			for i := range containers {
				all = append(all, &containers[i].Resources)
			}
		}
	}
	guaranteed, anything := true, false
	for _, r := range all {
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			limit, request := r.Limits[name], r.Requests[name]
			anything = anything || limit.Sign() > 0 || request.Sign() > 0
			guaranteed = guaranteed && limit.Sign() > 0 && limit.Cmp(request) == 0
		}
	}
	switch {
	case !anything:
		return corev1.PodQOSBestEffort
	case guaranteed:
		return corev1.PodQOSGuaranteed
	}
	return corev1.PodQOSBurstable
}
