package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/peapod/peapod/rootless/api/client"
)

// podContainers is what exec and logs need to know of a Pod. It has fields of its own instead of corev1.Pod's, because decoding
// all of those would take longer than the rest of an exec.
type podContainers struct {
	Metadata struct {
		Annotations map[string]string
	}
	Spec struct {
		RestartPolicy                                   string
		Containers, InitContainers, EphemeralContainers []namedContainer
	}
}

type namedContainer struct {
	Name string
	TTY  bool
}

func (a *app) podContainers(ctx context.Context, c *client.Client, name string) (*podContainers, error) {
	pod := &podContainers{}
	return pod, c.Get(ctx, client.Request{Resource: "pods", Namespace: a.namespace, Name: name}, pod)
}

func (p *podContainers) containers() []namedContainer {
	return slices.Concat(p.Spec.Containers, p.Spec.InitContainers, p.Spec.EphemeralContainers)
}

func (p *podContainers) all() []string {
	var names []string
	for _, container := range p.containers() {
		names = append(names, container.Name)
	}
	return names
}

// hasTTY tells whether a container has a terminal of its own.
func (p *podContainers) hasTTY(name string) bool {
	return slices.ContainsFunc(p.containers(), func(c namedContainer) bool { return c.Name == name && c.TTY })
}

// isEphemeral tells a container that is not started again.
func (p *podContainers) isEphemeral(name string) bool {
	return slices.ContainsFunc(p.Spec.EphemeralContainers, func(c namedContainer) bool { return c.Name == name })
}

// defaultContainer chooses as kubectl does: the container that an annotation names, else the first, and it tells so if there was
// a choice.
func (a *app) defaultContainer(ctx context.Context, c *client.Client, name string, quiet bool) (string, error) {
	pod, err := a.podContainers(ctx, c, name)
	if err != nil {
		return "", err
	}
	return a.chooseContainer(pod, name, quiet)
}

func (a *app) chooseContainer(pod *podContainers, name string, quiet bool) (string, error) {
	all := pod.all()
	if chosen := pod.Metadata.Annotations["kubectl.kubernetes.io/default-container"]; chosen != "" {
		for _, container := range all {
			if container == chosen {
				return chosen, nil
			}
		}
		if !quiet {
			fmt.Fprintf(a.err, "Default container name %q not found in pod %s\n", chosen, name)
		}
	}
	if len(all) == 0 {
		return "", fmt.Errorf("pod %s has no containers", name)
	}
	if len(all) > 1 && !quiet {
		fmt.Fprintf(a.err, "Defaulted container %q out of: %s\n", all[0], strings.Join(pod.described(), ", "))
	}
	return all[0], nil
}

// described are all names with what kind of container it is.
func (p *podContainers) described() []string {
	names := p.all()
	for i := range names {
		switch beyond := i - len(p.Spec.Containers); {
		case beyond >= len(p.Spec.InitContainers):
			names[i] += " (ephem)"
		case beyond >= 0:
			names[i] += " (init)"
		}
	}
	return names
}
