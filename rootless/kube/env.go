package kube

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Node is what a Pod can learn of the machine it runs on.
type Node struct {
	Name string
	IPs  []string // the host's addresses, IPv4 first
}

// Environment returns the variables that the Pod gives a container, as NAME=value in the order of the spec. $(NAME) in a value is
// replaced by what a variable further up was set to; those of the image do not count. A name given twice keeps its
// first place and its last value.
func Environment(pod *corev1.Pod, container *corev1.Container, node Node, podIPs []string) ([]string, error) {
	values := map[string]string{}
	var names []string
	for _, variable := range container.Env {
		value := expand(variable.Value, values)
		if from := variable.ValueFrom; variable.Value == "" && from != nil {
			if from.FieldRef == nil {
				return nil, fmt.Errorf("environment variable %s: its source is not supported by this version of peapod", variable.Name)
			}
			var err error
			if value, err = fieldValue(pod, from.FieldRef.FieldPath, node, podIPs); err != nil {
				return nil, fmt.Errorf("environment variable %s: %w", variable.Name, err)
			}
		}
		if _, again := values[variable.Name]; !again {
			names = append(names, variable.Name)
		}
		values[variable.Name] = value
	}
	env := make([]string, len(names))
	for i, name := range names {
		env[i] = name + "=" + values[name]
	}
	return env, nil
}

// fieldValue is what a fieldRef refers to.
func fieldValue(pod *corev1.Pod, path string, node Node, podIPs []string) (string, error) {
	switch path {
	case "metadata.name":
		return pod.Name, nil
	case "metadata.namespace":
		return pod.Namespace, nil
	case "metadata.uid":
		return string(pod.UID), nil
	case "spec.nodeName":
		return node.Name, nil
	case "spec.serviceAccountName":
		if pod.Spec.ServiceAccountName == "" {
			return "default", nil // as an admission plugin of the API server fills it in
		}
		return pod.Spec.ServiceAccountName, nil
	case "status.hostIP":
		return first(node.IPs), nil
	case "status.hostIPs":
		return strings.Join(node.IPs, ","), nil
	case "status.podIP":
		return first(podIPs), nil
	case "status.podIPs":
		return strings.Join(podIPs, ","), nil
	}
	switch parent, key, _ := splitSubscript(path); parent {
	case "metadata.labels":
		return pod.Labels[key], nil
	case "metadata.annotations":
		return pod.Annotations[key], nil
	}
	return "", fmt.Errorf("unsupported fieldPath: %s", path)
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// Command returns a container's command and args with $(NAME) replaced by what env, from Environment, says. Either is
// nil where the spec has none, so that the image's own counts.
func Command(container *corev1.Container, env []string) (command, args []string) {
	values := make(map[string]string, len(env))
	for _, variable := range env {
		name, value, _ := strings.Cut(variable, "=")
		values[name] = value
	}
	return expandAll(container.Command, values), expandAll(container.Args, values)
}

func expandAll(words []string, values map[string]string) []string {
	if words == nil {
		return nil
	}
	expanded := make([]string, len(words))
	for i, word := range words {
		expanded[i] = expand(word, values)
	}
	return expanded
}

// expand replaces $(NAME) by its value. $$ stands for a $, so $$(NAME) is left as $(NAME); a reference to a name that is not there, and
// any other $, stays as it is. (The semantics of kubernetes/third_party/forked/golang/expansion.)
func expand(s string, values map[string]string) string {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(s, "$")
		out.WriteString(before)
		switch {
		case !found:
			return out.String()
		case strings.HasPrefix(after, "$"):
			out.WriteByte('$')
			s = after[1:]
			continue
		}
		name, rest, closed := strings.Cut(strings.TrimPrefix(after, "("), ")")
		value, known := values[name]
		switch isReference := strings.HasPrefix(after, "(") && closed; {
		case isReference && known:
			out.WriteString(value)
			s = rest
		case isReference:
			out.WriteString("$(" + name + ")")
			s = rest
		default:
			out.WriteByte('$')
			s = after
		}
	}
}

// maxHostname is the kernel's limit less the byte that Kubernetes leaves (sethostname(2): 64).
const maxHostname = 63

// Hostname is the name of the Pod's UTS namespace.
func Hostname(pod *corev1.Pod) string {
	if pod.Spec.Hostname != "" {
		return pod.Spec.Hostname
	}
	if len(pod.Name) <= maxHostname {
		return pod.Name
	}
	return strings.TrimRight(pod.Name[:maxHostname], "-.")
}

// QOS is the Pod's quality of service class: Guaranteed if every container has equal limits and requests of CPU and memory,
// BestEffort if none has any, else Burstable.
func QOS(pod *corev1.Pod) corev1.PodQOSClass {
	guaranteed, anything := true, false
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
				limit, request := containers[i].Resources.Limits[name], containers[i].Resources.Requests[name]
				anything = anything || limit.Sign() > 0 || request.Sign() > 0
				guaranteed = guaranteed && limit.Sign() > 0 && limit.Cmp(request) == 0
			}
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
