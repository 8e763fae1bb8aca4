package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/api/client"
)

func newDescribe(a *app) *cobra.Command {
	var selector string
	var allNamespaces bool
	cmd := &cobra.Command{
		Use:   "describe (pod [NAME…] | pod/NAME…)",
		Short: "Tell all about Pods, with what happened to them",
		Long:  "Print a Pod's fields, the state of its containers and its events, for people to read.",
		Example: `  # Why does it not start?
  peapod describe pod demo

  # All Pods of an application
  peapod describe po -l app=demo`,
		ValidArgsFunction: a.completeTargets,
		RunE: func(cmd *cobra.Command, args []string) error {
			targets, err := parseTargets(cmd, args)
			if err != nil {
				return err
			}
			return a.describe(cmd.Context(), targets, &getOptions{selector: selector, allNamespaces: allNamespaces})
		},
	}
	cmd.Flags().StringVarP(&selector, "selector", "l", "", "only Pods with these labels")
	cmd.Flags().BoolVarP(&allNamespaces, "all-namespaces", "A", false, "of every namespace")
	return cmd
}

func (a *app) describe(ctx context.Context, targets []target, o *getOptions) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	var failed []error
	printed := 0
	for _, t := range targets {
		if t.kind.resource != pods.resource {
			return fmt.Errorf("describe knows only pods, not %s", t.kind.resource)
		}
		found, err := a.podsOf(ctx, c, t, o)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		for i := range found {
			events, err := podEvents(ctx, c, &found[i])
			if err != nil {
				return err
			}
			if printed++; printed > 1 {
				fmt.Fprint(a.out, "\n\n")
			}
			if err := describePod(a.out, &found[i], events, time.Now()); err != nil {
				return err
			}
		}
	}
	if printed == 0 && len(failed) == 0 {
		a.noneFound(pods, o.allNamespaces)
	}
	return errors.Join(failed...)
}

// podsOf reads the Pod or the Pods that a target means.
func (a *app) podsOf(ctx context.Context, c *client.Client, t target, o *getOptions) ([]corev1.Pod, error) {
	if t.name != "" {
		var pod corev1.Pod
		if err := c.Get(ctx, a.request(t, o, false), &pod); err != nil {
			return nil, err
		}
		return []corev1.Pod{pod}, nil
	}
	var list corev1.PodList
	err := c.Get(ctx, a.request(t, o, false), &list)
	return list.Items, err
}

func podEvents(ctx context.Context, c *client.Client, pod *corev1.Pod) ([]corev1.Event, error) {
	selector := fmt.Sprintf("involvedObject.name=%s,involvedObject.namespace=%s,involvedObject.uid=%s", pod.Name, pod.Namespace, pod.UID)
	var list corev1.EventList
	err := c.Get(ctx, client.Request{Resource: "events", Namespace: pod.Namespace, FieldSelector: selector}, &list)
	return list.Items, err
}
