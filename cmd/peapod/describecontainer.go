package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func (p *page) containers(title string, containers []corev1.Container, statuses []corev1.ContainerStatus) {
	if len(containers) == 0 {
		return
	}
	p.line(0, "%s%s:", p.inset, title)
	for i := range containers {
		c := &containers[i]
		p.name(c.Name)
		at := slices.IndexFunc(statuses, func(s corev1.ContainerStatus) bool { return s.Name == c.Name })
		var status *corev1.ContainerStatus
		if at >= 0 {
			status = &statuses[at]
		}
		p.container(c, status)
	}
}

// container's status is nil as long as there is none.
func (p *page) container(c *corev1.Container, status *corev1.ContainerStatus) {
	if status != nil {
		p.line(2, "Container ID:\t%s", status.ContainerID)
	}
	p.line(2, "Image:\t%s", c.Image)
	if status != nil {
		p.line(2, "Image ID:\t%s", status.ImageID)
	}
	p.ports(c.Ports)
	if c.SecurityContext != nil {
		p.seccomp(2, c.SecurityContext.SeccompProfile)
	}
	p.words("Command", c.Command)
	p.words("Args", c.Args)
	if status != nil {
		p.state("State", status.State)
		if status.LastTerminationState.Terminated != nil {
			p.state("Last State", status.LastTerminationState)
		}
		p.line(2, "Ready:\t%s", trueFalse(status.Ready))
		p.line(2, "Restart Count:\t%d", status.RestartCount)
	}
	p.resources("Limits", c.Resources.Limits)
	p.resources("Requests", c.Resources.Requests)
	p.probe("Liveness", c.LivenessProbe)
	p.probe("Readiness", c.ReadinessProbe)
	p.probe("Startup", c.StartupProbe)
	p.envFrom(c.EnvFrom)
	p.environment(c.Env)
	p.mounts(c.VolumeMounts)
}

func trueFalse(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

func (p *page) ports(ports []corev1.ContainerPort) {
	var inside, outside []string
	for _, port := range ports {
		inside = append(inside, fmt.Sprintf("%d/%s", port.ContainerPort, port.Protocol))
		outside = append(outside, fmt.Sprintf("%d/%s", port.HostPort, port.Protocol))
	}
	plural := ""
	if len(ports) > 1 {
		plural = "s"
	}
	p.line(2, "Port%s:\t%s", plural, joinOrNone(inside))
	p.line(2, "Host Port%s:\t%s", plural, joinOrNone(outside))
}

func joinOrNone(words []string) string {
	if len(words) == 0 {
		return "<none>"
	}
	return strings.Join(words, ", ")
}

// words puts each argument on lines of its own.
func (p *page) words(title string, words []string) {
	if len(words) == 0 {
		return
	}
	p.line(2, "%s:", title)
	for _, word := range words {
		for text := range strings.SplitSeq(word, "\n") {
			p.line(3, "%s", text)
		}
	}
}

func (p *page) state(title string, state corev1.ContainerState) {
	switch {
	case state.Running != nil:
		p.line(2, "%s:\tRunning", title)
		p.line(3, "Started:\t%s", stamp(state.Running.StartedAt))
	case state.Terminated != nil:
		ended := state.Terminated
		p.line(2, "%s:\tTerminated", title)
		if ended.Reason != "" {
			p.line(3, "Reason:\t%s", ended.Reason)
		}
		if ended.Message != "" {
			p.line(3, "Message:\t%s", ended.Message)
		}
		p.line(3, "Exit Code:\t%d", ended.ExitCode)
		if ended.Signal > 0 {
			p.line(3, "Signal:\t%d", ended.Signal)
		}
		p.line(3, "Started:\t%s", stamp(ended.StartedAt))
		p.line(3, "Finished:\t%s", stamp(ended.FinishedAt))
	default:
		p.line(2, "%s:\tWaiting", title)
		if state.Waiting != nil && state.Waiting.Reason != "" {
			p.line(3, "Reason:\t%s", state.Waiting.Reason)
		}
	}
}

func (p *page) resources(title string, list corev1.ResourceList) {
	if len(list) == 0 {
		return
	}
	p.line(2, "%s:", title)
	for _, name := range slices.Sorted(maps.Keys(list)) {
		quantity := list[name]
		p.line(3, "%s:\t%s", name, quantity.String())
	}
}

func (p *page) probe(title string, probe *corev1.Probe) {
	if probe == nil {
		return
	}
	p.line(2, "%s:\t%s delay=%ds timeout=%ds period=%ds #success=%d #failure=%d", title, handler(&probe.ProbeHandler),
		probe.InitialDelaySeconds, probe.TimeoutSeconds, probe.PeriodSeconds, probe.SuccessThreshold, probe.FailureThreshold)
}

func handler(h *corev1.ProbeHandler) string {
	switch {
	case h.Exec != nil:
		return fmt.Sprintf("exec %v", h.Exec.Command)
	case h.HTTPGet != nil:
		scheme := strings.ToLower(cmp.Or(string(h.HTTPGet.Scheme), "http"))
		return fmt.Sprintf("http-get %s://%s:%s%s", scheme, h.HTTPGet.Host, portText(h.HTTPGet.Port), h.HTTPGet.Path)
	case h.TCPSocket != nil:
		return fmt.Sprintf("tcp-socket %s:%s", h.TCPSocket.Host, portText(h.TCPSocket.Port))
	case h.GRPC != nil:
		service := ""
		if h.GRPC.Service != nil {
			service = *h.GRPC.Service
		}
		return fmt.Sprintf("grpc <pod>:%d %s", h.GRPC.Port, service)
	}
	return "unknown"
}

func portText(port intstr.IntOrString) string { return port.String() }

func (p *page) envFrom(sources []corev1.EnvFromSource) {
	if len(sources) == 0 {
		return
	}
	p.line(2, "Environment Variables from:")
	for _, source := range sources {
		name, kind, optional := "", "", false
		switch {
		case source.ConfigMapRef != nil:
			name, kind, optional = source.ConfigMapRef.Name, "ConfigMap", isTrue(source.ConfigMapRef.Optional)
		case source.SecretRef != nil:
			name, kind, optional = source.SecretRef.Name, "Secret", isTrue(source.SecretRef.Optional)
		}
		prefix := ""
		if source.Prefix != "" {
			prefix = fmt.Sprintf(" with prefix '%s'", source.Prefix)
		}
		p.line(3, "%s\t%s%s\tOptional: %t", name, kind, prefix, optional)
	}
}

func isTrue(b *bool) bool { return b != nil && *b }

func (p *page) environment(env []corev1.EnvVar) {
	if len(env) == 0 {
		p.line(2, "Environment:\t<none>")
		return
	}
	p.line(2, "Environment:")
	for _, e := range env {
		p.line(3, "%s:\t%s", e.Name, strings.ReplaceAll(envValue(&e), "\n", "\n        \t"))
	}
}

// envValue says where a value comes from; what it is there is known to the container only.
func envValue(e *corev1.EnvVar) string {
	from := e.ValueFrom
	switch {
	case from == nil:
		return e.Value
	case from.FieldRef != nil:
		return fmt.Sprintf(" (%s:%s)", from.FieldRef.APIVersion, from.FieldRef.FieldPath)
	case from.ResourceFieldRef != nil:
		return fmt.Sprintf("%s (%s)", from.ResourceFieldRef.ContainerName, from.ResourceFieldRef.Resource)
	case from.SecretKeyRef != nil:
		return fmt.Sprintf("<set to the key '%s' in secret '%s'>  Optional: %t",
			from.SecretKeyRef.Key, from.SecretKeyRef.Name, isTrue(from.SecretKeyRef.Optional))
	case from.ConfigMapKeyRef != nil:
		return fmt.Sprintf("<set to the key '%s' of config map '%s'>  Optional: %t",
			from.ConfigMapKeyRef.Key, from.ConfigMapKeyRef.Name, isTrue(from.ConfigMapKeyRef.Optional))
	}
	return "<unknown>"
}

func (p *page) mounts(mounts []corev1.VolumeMount) {
	if len(mounts) == 0 {
		p.line(2, "Mounts:\t<none>")
		return
	}
	p.line(2, "Mounts:")
	sorted := slices.SortedFunc(slices.Values(mounts), func(a, b corev1.VolumeMount) int { return cmp.Compare(a.MountPath, b.MountPath) })
	for _, m := range sorted {
		flags := []string{"rw"}
		if m.ReadOnly {
			flags[0] = "ro"
		}
		if m.SubPath != "" {
			flags = append(flags, fmt.Sprintf("path=%q", m.SubPath))
		}
		p.line(3, "%s from %s (%s)", m.MountPath, m.Name, strings.Join(flags, ","))
	}
}
