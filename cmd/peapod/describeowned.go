package main

import (
	"context"
	"io"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/peapod/peapod/rootless/api/client"
)

// surroundings are what is said of an object besides itself: what it owns, and what has happened to it.
type surroundings struct {
	pods   []corev1.Pod
	sets   []appsv1.ReplicaSet
	slices []discoveryv1.EndpointSlice
	events []corev1.Event
}

// ownerDescriber is describer for objects that own others.
func ownerDescriber[T any, P interface {
	*T
	metav1.Object
}](describe func(io.Writer, P, *surroundings) error) func(context.Context, *client.Client, client.Request) ([]description, error) {
	return func(ctx context.Context, c *client.Client, r client.Request) (all []description, err error) {
		objects, err := read[T](ctx, c, r)
		for i := range objects {
			o := P(&objects[i])
			around, err := lookAround(ctx, c, o)
			if err != nil {
				return nil, err
			}
			all = append(all, func(w io.Writer) error { return describe(w, o, around) })
		}
		return all, err
	}
}

func lookAround(ctx context.Context, c *client.Client, o metav1.Object) (around *surroundings, err error) {
	around = &surroundings{}
	if around.pods, err = ownedBy[corev1.Pod](ctx, c, o, client.Request{Resource: "pods"}); err != nil {
		return nil, err
	}
	if around.sets, err = ownedBy[appsv1.ReplicaSet](ctx, c, o, client.Request{Group: "apps", Resource: "replicasets"}); err != nil {
		return nil, err
	}
	if around.slices, err = ownedBy[discoveryv1.EndpointSlice](ctx, c, o, client.Request{Group: "discovery.k8s.io", Resource: "endpointslices"}); err != nil {
		return nil, err
	}
	around.events, err = eventsOf(ctx, c, o)
	return around, err
}

// ownedBy are the objects that r lists, in the owner's namespace, of which it is the controller.
func ownedBy[T any, P interface {
	*T
	metav1.Object
}](ctx context.Context, c *client.Client, owner metav1.Object, r client.Request) ([]T, error) {
	r.Namespace = owner.GetNamespace()
	all, err := read[T](ctx, c, r)
	return slices.DeleteFunc(all, func(o T) bool { return !metav1.IsControlledBy(P(&o), owner) }), err
}
