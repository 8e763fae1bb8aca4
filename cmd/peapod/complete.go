package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/peapod/peapod/rootless/api/client"
)

// Completions come from the node if it runs; a press of the tab key starts nothing.

const noFiles = cobra.ShellCompDirectiveNoFileComp

// completeTargets completes TYPE, then names of that type, or pod/NAME.
func (a *app) completeTargets(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		k, err := findKind(args[0])
		if err != nil || !k.applied {
			return nil, noFiles
		}
		return without(a.names(cmd, k), args[1:]), noFiles
	}
	var words []string
	for _, k := range kinds {
		words = append(words, k.resource)
	}
	for _, name := range a.names(cmd, pods) {
		words = append(words, "pod/"+name)
	}
	return words, noFiles
}

// completePod completes one name of a Pod.
func (a *app) completePod(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFiles
	}
	return a.names(cmd, pods), noFiles
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

func (a *app) names(cmd *cobra.Command, k kind) []string {
	c, err := a.connectRunning()
	if err != nil {
		return nil
	}
	var list metav1.PartialObjectMetadataList
	if c.Get(cmd.Context(), client.Request{Group: k.group, Resource: k.resource, Namespace: a.namespaceOf(k)}, &list) != nil {
		return nil
	}
	var names []string
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return names
}

// completeImages completes up to limit names of images, any number if it is negative.
func (a *app) completeImages(limit int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if limit >= 0 && len(args) >= limit {
			return nil, noFiles
		}
		return without(a.imageNames(cmd), args), noFiles
	}
}

// imageNames are the names of all images, those that can be shortened in both forms.
func (a *app) imageNames(cmd *cobra.Command) []string {
	c, err := a.connectRunning()
	if err != nil {
		return nil
	}
	images, err := c.Images(cmd.Context())
	if err != nil {
		return nil
	}
	var names []string
	for i := range images {
		for _, name := range images[i].Names {
			names = append(names, name)
			for _, prefix := range []string{"docker.io/library/", "docker.io/", "localhost/"} {
				if short, ok := strings.CutPrefix(name, prefix); ok {
					names = append(names, short)
					break
				}
			}
		}
	}
	return names
}

func without(names, taken []string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(taken, name) })
}
