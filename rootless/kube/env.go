package kube

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Node is what a Pod can learn of the machine it runs on.
type Node struct {
	Name        string
	IPs         []string            // the host's addresses, IPv4 first
	Allocatable corev1.ResourceList // what all Pods together may have: cpu, memory, ephemeral-storage
}

// Sources are what values of variables come from, apart from the Pod itself.
type Sources struct {
	Node   Node
	PodIPs []string
	// ConfigMap and Secret look one up in the Pod's namespace. The error of one that is not there is a NotFound error.
	ConfigMap func(name string) (*corev1.ConfigMap, error)
	Secret    func(name string) (*corev1.Secret, error)
	// File opens a file that a container may have written into a volume of the Pod. The error of one that is not there is fs.ErrNotExist.
	File func(volume, path string) (io.ReadCloser, error)
	// Services are the variables that tell where services are (ServiceVariables): those of the Pod come before them.
	Services []string
}

// variables are an environment that is being made.
type variables struct {
	values   map[string]string
	names    []string          // in the order in which they were first set
	services map[string]string // by which references can be expanded too
}

func (v *variables) set(name, value string) {
	if _, again := v.values[name]; !again {
		v.names = append(v.names, name)
	}
	v.values[name] = value
}

func (v *variables) lookup(name string) (string, bool) {
	value, ok := v.values[name]
	if !ok {
		value, ok = v.services[name]
	}
	return value, ok
}

// Environment returns the variables that the Pod gives a container, as NAME=value: those of envFrom, sorted by key in each source, those of env in
// the order of the spec, and those of services. $(NAME) in a value is replaced by what a variable further up or of a service was set to; those of the image do not
// count. A name given twice keeps its first place and its last value. Errors are in the kubelet's words.
func Environment(pod *corev1.Pod, container *corev1.Container, sources Sources) ([]string, error) {
	v := &variables{values: map[string]string{}, services: map[string]string{}}
	for _, variable := range sources.Services {
		name, value, _ := strings.Cut(variable, "=")
		v.services[name] = value
	}
	for i := range container.EnvFrom {
		if err := v.addAll(&container.EnvFrom[i], &sources); err != nil {
			return nil, err
		}
	}
	for i := range container.Env {
		if err := v.add(pod, container, &container.Env[i], &sources); err != nil {
			return nil, err
		}
	}
	var env []string
	for _, name := range v.names {
		if strings.Contains(v.values[name], "\x00") { // such as a Secret's bytes: the kernel would end the value there
			return nil, fmt.Errorf("environment variable %s contains a nul byte", name)
		}
		env = append(env, name+"="+v.values[name])
	}
	for _, variable := range sources.Services {
		name, _, _ := strings.Cut(variable, "=")
		if _, ok := v.values[name]; !ok {
			env = append(env, variable)
		}
	}
	return env, nil
}

// addAll adds all keys of a ConfigMap or Secret.
func (v *variables) addAll(from *corev1.EnvFromSource, sources *Sources) error {
	var optional *bool
	var err error
	values := map[string]string{}
	switch {
	case from.ConfigMapRef != nil:
		var c *corev1.ConfigMap
		optional = from.ConfigMapRef.Optional
		if c, err = sources.ConfigMap(from.ConfigMapRef.Name); err == nil {
			values = c.Data
		}
	case from.SecretRef != nil:
		var s *corev1.Secret
		optional = from.SecretRef.Optional
		if s, err = sources.Secret(from.SecretRef.Name); err == nil {
			for key, value := range s.Data {
				values[key] = string(value)
			}
		}
	}
	if apierrors.IsNotFound(err) && isTrue(optional) {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		v.set(from.Prefix+key, values[key])
	}
	return err
}

func isTrue(b *bool) bool { return b != nil && *b }

// add adds one variable. An optional one whose source is missing is left out.
func (v *variables) add(pod *corev1.Pod, container *corev1.Container, variable *corev1.EnvVar, sources *Sources) error {
	value, found, err := expand(variable.Value, v.lookup), true, error(nil)
	if from := variable.ValueFrom; variable.Value == "" && from != nil {
		switch {
		case from.FieldRef != nil:
			value, err = fieldValue(pod, from.FieldRef.FieldPath, sources.Node, sources.PodIPs)
		case from.ResourceFieldRef != nil:
			value, err = ResourceValue(pod, container, from.ResourceFieldRef, sources.Node)
		case from.ConfigMapKeyRef != nil:
			value, found, err = configMapValue(pod, from.ConfigMapKeyRef, sources)
		case from.SecretKeyRef != nil:
			value, found, err = secretValue(pod, from.SecretKeyRef, sources)
		case from.FileKeyRef != nil:
			value, found, err = fileValue(from.FileKeyRef, sources)
		default: // kube.Validate
			err = fmt.Errorf("environment variable %s has no source", variable.Name)
		}
	}
	if err == nil && found {
		v.set(variable.Name, value)
	}
	return err
}

func configMapValue(pod *corev1.Pod, ref *corev1.ConfigMapKeySelector, sources *Sources) (value string, found bool, err error) {
	c, err := sources.ConfigMap(ref.Name)
	if err != nil {
		if apierrors.IsNotFound(err) && isTrue(ref.Optional) {
			err = nil
		}
		return "", false, err
	}
	value, found = c.Data[ref.Key]
	if !found && !isTrue(ref.Optional) {
		err = fmt.Errorf("couldn't find key %v in ConfigMap %v/%v", ref.Key, pod.Namespace, ref.Name)
	}
	return value, found, err
}

func secretValue(pod *corev1.Pod, ref *corev1.SecretKeySelector, sources *Sources) (value string, found bool, err error) {
	s, err := sources.Secret(ref.Name)
	if err != nil {
		if apierrors.IsNotFound(err) && isTrue(ref.Optional) {
			err = nil
		}
		return "", false, err
	}
	content, found := s.Data[ref.Key]
	if !found && !isTrue(ref.Optional) {
		err = fmt.Errorf("couldn't find key %v in Secret %v/%v", ref.Key, pod.Namespace, ref.Name)
	}
	return string(content), found, err
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
	lookup := func(name string) (string, bool) { value, ok := values[name]; return value, ok }
	return expandAll(container.Command, lookup), expandAll(container.Args, lookup)
}

func expandAll(words []string, lookup func(string) (string, bool)) []string {
	if words == nil {
		return nil
	}
	expanded := make([]string, len(words))
	for i, word := range words {
		expanded[i] = expand(word, lookup)
	}
	return expanded
}

// expand replaces $(NAME) by its value. $$ stands for a $, so $$(NAME) is left as $(NAME); a reference to a name that is not there, and
// any other $, stays as it is. (The semantics of kubernetes/third_party/forked/golang/expansion.)
func expand(s string, lookup func(name string) (string, bool)) string {
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
		value, known := lookup(name)
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
