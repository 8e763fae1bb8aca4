package main

import (
	"slices"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/api/client"
)

// Completions come from the node if it runs; a press of the tab key starts nothing.

const noFiles = cobra.ShellCompDirectiveNoFileComp

// completeTargets completes TYPE, then names of Pods, or pod/NAME.
func (a *app) completeTargets(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		if k, err := findKind(args[0]); err != nil || k.resource != pods.resource {
			return nil, noFiles
		}
		return without(a.podNames(cmd), args[1:]), noFiles
	}
	var words []string
	for _, k := range kinds {
		words = append(words, k.resource)
	}
	for _, name := range a.podNames(cmd) {
		words = append(words, "pod/"+name)
	}
	return words, noFiles
}

// completePod completes one name of a Pod.
func (a *app) completePod(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFiles
	}
	return a.podNames(cmd), noFiles
}

// completeContainer completes -c from the Pod that the line names.
func (a *app) completeContainer(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	c, err := a.connectRunning()
	if len(args) == 0 || err != nil {
		return nil, noFiles
	}
	name, err := podName(args[0])
	if err != nil {
		return nil, noFiles
	}
	pod, err := a.podContainers(cmd.Context(), c, name)
	if err != nil {
		return nil, noFiles
	}
	return pod.all(), noFiles
}

func (a *app) podNames(cmd *cobra.Command) []string {
	c, err := a.connectRunning()
	if err != nil {
		return nil
	}
	var list corev1.PodList
	if c.Get(cmd.Context(), client.Request{Resource: "pods", Namespace: a.namespace}, &list) != nil {
		return nil
	}
	var names []string
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return names
}

func without(names, taken []string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(taken, name) })
}
