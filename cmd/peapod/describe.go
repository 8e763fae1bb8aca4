package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/peapod/peapod/rootless/api/client"
	"github.com/peapod/peapod/rootless/kube"
)

func newDescribe(a *app) *cobra.Command {
	var selector string
	var allNamespaces bool
	cmd := &cobra.Command{
		Use:   "describe (TYPE [NAME…] | TYPE/NAME…)",
		Short: "Tell all about Pods, with what happened to them, or about other objects",
		Long: `Print a Pod's fields, the state of its containers and its events, or what there is to say of a workload, Service, ConfigMap, claim or namespace,
for people to read.
Of a Secret's data it tells the names and sizes only.`,
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
	cmd.Flags().StringVarP(&selector, "selector", "l", "", "only those with these labels")
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
		descriptions, err := a.descriptions(ctx, c, t, o)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		for _, print := range descriptions {
			if printed++; printed > 1 {
				fmt.Fprint(a.out, "\n\n")
			}
			if err := print(a.out); err != nil {
				return err
			}
		}
	}
	if printed == 0 && len(failed) == 0 {
		a.noneFound(targets[0].kind, o.allNamespaces)
	}
	return errors.Join(failed...)
}

// description prints what there is to say of one object.
type description func(io.Writer) error

// descriptions are those of the object or the objects that a target means.
func (a *app) descriptions(ctx context.Context, c *client.Client, t target, o *getOptions) (all []description, err error) {
	r := a.request(t, o, false)
	if t.kind == pods {
		pods, err := read[corev1.Pod](ctx, c, r)
		if err != nil {
			return nil, err
		}
		for i := range pods {
			events, err := eventsOf(ctx, c, &pods[i])
			if err != nil {
				return nil, err
			}
			all = append(all, func(w io.Writer) error { return describePod(w, &pods[i], events, time.Now()) })
		}
		return all, nil
	}
	describe, ok := describers[t.kind.resource]
	if !ok {
		return nil, fmt.Errorf("%s cannot be described", t.kind.resource)
	}
	return describe(ctx, c, r)
}

// describers know what to say of the kinds but Pod.
var describers = map[string]func(context.Context, *client.Client, client.Request) ([]description, error){
	kube.Namespaces.Resource:   describer(describeNamespace),
	kube.Deployments.Resource:  ownerDescriber(describeDeployment),
	kube.ReplicaSets.Resource:  ownerDescriber(describeReplicaSet),
	kube.StatefulSets.Resource: ownerDescriber(describeStatefulSet),
	kube.DaemonSets.Resource:   ownerDescriber(describeDaemonSet),
	kube.Jobs.Resource:         ownerDescriber(describeJob),
	kube.Services.Resource:     ownerDescriber(describeService),
	kube.Secrets.Resource:      describer(describeSecret),
	kube.ConfigMaps.Resource:   describer(describeConfigMap),
	kube.Claims.Resource:       describer(describeClaim),
}

func describer[T any](describe func(io.Writer, *T) error) func(context.Context, *client.Client, client.Request) ([]description, error) {
	return func(ctx context.Context, c *client.Client, r client.Request) (all []description, err error) {
		objects, err := read[T](ctx, c, r)
		for i := range objects {
			all = append(all, func(w io.Writer) error { return describe(w, &objects[i]) })
		}
		return all, err
	}
}

// read returns the object or the objects that r means.
func read[T any](ctx context.Context, c *client.Client, r client.Request) ([]T, error) {
	if r.Name != "" {
		var one T
		if err := c.Get(ctx, r, &one); err != nil {
			return nil, err
		}
		return []T{one}, nil
	}
	var list struct{ Items []T }
	err := c.Get(ctx, r, &list)
	return list.Items, err
}

func eventsOf(ctx context.Context, c *client.Client, o metav1.Object) ([]corev1.Event, error) {
	selector := fmt.Sprintf("involvedObject.name=%s,involvedObject.namespace=%s,involvedObject.uid=%s", o.GetName(), o.GetNamespace(), o.GetUID())
	var list corev1.EventList
	err := c.Get(ctx, client.Request{Resource: "events", Namespace: o.GetNamespace(), FieldSelector: selector}, &list)
	return list.Items, err
}
