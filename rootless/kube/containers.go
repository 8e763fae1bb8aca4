package kube

import corev1 "k8s.io/api/core/v1"

// Containers are a Pod's init containers, containers and ephemeral containers, in this order. No two have the same name. What they point
// to is the Pod's own.
func Containers(pod *corev1.Pod) []*corev1.Container {
	spec := &pod.Spec
	all := make([]*corev1.Container, 0, len(spec.InitContainers)+len(spec.Containers)+len(spec.EphemeralContainers))
	for i := range spec.InitContainers {
		all = append(all, &spec.InitContainers[i])
	}
	for i := range spec.Containers {
		all = append(all, &spec.Containers[i])
	}
	for i := range spec.EphemeralContainers {
		all = append(all, ephemeral(&spec.EphemeralContainers[i]))
	}
	return all
}

// ephemeral is an ephemeral container as the container that it looks like.
func ephemeral(e *corev1.EphemeralContainer) *corev1.Container {
	return (*corev1.Container)(&e.EphemeralContainerCommon)
}

// FindContainer returns one of Containers by its name, or nil.
func FindContainer(pod *corev1.Pod, name string) *corev1.Container {
	for _, c := range Containers(pod) {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Statuses are the statuses of all containers of a Pod, in the order of Containers.
func Statuses(pod *corev1.Pod) []*corev1.ContainerStatus {
	var all []*corev1.ContainerStatus
	status := &pod.Status
	for _, list := range [][]corev1.ContainerStatus{status.InitContainerStatuses, status.ContainerStatuses, status.EphemeralContainerStatuses} {
		for i := range list {
			all = append(all, &list[i])
		}
	}
	return all
}

// IsSidecar says whether an init container runs as long as the Pod.
func IsSidecar(init *corev1.Container) bool {
	return init.RestartPolicy != nil && *init.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// RestartsAfter says whether a container is to run again after it exited with a code: its own rules are asked first, then its own policy,
// then the Pod's. Sidecars are asked by their own policy, init containers by that of a Pod whose Always means until success.
func RestartsAfter(pod *corev1.Pod, c *corev1.Container, code int32) bool {
	policy := string(pod.Spec.RestartPolicy)
	if c.RestartPolicy != nil {
		if MatchingRule(c, code) != nil {
			return true
		}
		policy = string(*c.RestartPolicy)
	}
	switch policy {
	case string(corev1.RestartPolicyNever):
		return false
	case string(corev1.RestartPolicyOnFailure):
		return code != 0
	}
	return true
}

// MatchingRule is the first of a container's restart rules that an exit code fits, or nil.
func MatchingRule(c *corev1.Container, code int32) *corev1.ContainerRestartRule {
	for i := range c.RestartPolicyRules {
		codes := c.RestartPolicyRules[i].ExitCodes
		if codes == nil {
			continue
		}
		listed := false
		for _, v := range codes.Values {
			listed = listed || v == code
		}
		if listed == (codes.Operator == corev1.ContainerRestartRuleOnExitCodesOpIn) {
			return &c.RestartPolicyRules[i]
		}
	}
	return nil
}

// ExpandStatic replaces $(NAME) in a probe's command by the value that the container's manifest gives the variable. Those whose value comes
// from elsewhere count as empty, as with the kubelet.
func ExpandStatic(command []string, env []corev1.EnvVar) []string {
	values := make(map[string]string, len(env))
	for _, v := range env {
		values[v.Name] = v.Value
	}
	return expandAll(command, func(name string) (string, bool) { value, ok := values[name]; return value, ok })
}
