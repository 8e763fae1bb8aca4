package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/peapod/peapod/rootless/api/client"
	"github.com/peapod/peapod/rootless/kube"
)

// kind is a kind of object that get and its siblings know. The list is what the node's discovery tells, which a command does not ask for.
type kind struct {
	group      string // API group: apps; empty for the core
	resource   string // as in a path: pods
	singular   string
	short      string // empty: there is none
	namespaced bool
	applied    bool // users apply, describe and delete it
}

var kinds = []kind{
	applied(kube.Pods, "po"),
	applied(kube.Namespaces, "ns"),
	applied(kube.Secrets, ""),
	applied(kube.ConfigMaps, "cm"),
	applied(kube.Claims, "pvc"),
	applied(kube.Services, "svc"),
	applied(kube.Endpoints, "ep"),
	applied(kube.EndpointSlices, ""),
	applied(kube.ServiceAccounts, "sa"),
	applied(kube.Deployments, "deploy"),
	applied(kube.ReplicaSets, "rs"),
	applied(kube.ReplicationControllers, "rc"),
	applied(kube.StatefulSets, "sts"),
	applied(kube.DaemonSets, "ds"),
	applied(kube.Jobs, ""),
	applied(kube.CronJobs, "cj"),
	{"", "events", "event", "ev", true, false},
}

func applied(k *kube.Kind, short string) kind {
	return kind{k.Group, k.Resource, strings.ToLower(k.Name), short, !k.Cluster, true}
}

// String is the kind as kubectl names it before an object's name: pod, deployment.apps.
func (k kind) String() string {
	if k.group == "" {
		return k.singular
	}
	return k.singular + "." + k.group
}

var pods = kinds[0]

// findKind knows a kind by each of its names; "all" is what a user runs.
func findKind(word string) (kind, error) {
	lower := strings.ToLower(word)
	if lower == "all" {
		return pods, nil
	}
	i := slices.IndexFunc(kinds, func(k kind) bool {
		word, group, qualified := strings.Cut(lower, ".")
		if qualified && group != k.group && group != "v1."+k.group {
			return false
		}
		return word == k.resource || word == k.singular || word == k.short && word != ""
	})
	if i < 0 {
		return kind{}, fmt.Errorf("the server doesn't have a resource type %q", word)
	}
	return kinds[i], nil
}

// objectRef names an object of a kind that is applied.
type objectRef struct {
	kind            kind
	namespace, name string
}

// namespaceOf is where objects of a kind are looked for; empty for those that are in none.
func (a *app) namespaceOf(k kind) string {
	if !k.namespaced {
		return ""
	}
	return a.namespace
}

func refOf(o kube.Object) objectRef {
	return objectRef{kindOf(kube.KindOf(o)), o.GetNamespace(), o.GetName()}
}

// kindOf is a kind that is applied.
func kindOf(of *kube.Kind) kind {
	return kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.resource == of.Resource })]
}

func (r objectRef) request() client.Request {
	return client.Request{Group: r.kind.group, Resource: r.kind.resource, Namespace: r.namespace, Name: r.name}
}

// target is one thing that a command line names: an object, or without a name all of a kind.
type target struct {
	kind kind
	name string
}

// parseTargets reads `pods`, `pod NAME…` or `pod/NAME…`.
func parseTargets(cmd *cobra.Command, args []string) ([]target, error) {
	if len(args) == 0 {
		return nil, usagef(cmd, "You must specify the type of resource to %s. Try `%s pods`.", cmd.Name(), cmd.CommandPath())
	}
	if strings.Contains(args[0], "/") {
		var targets []target
		for _, arg := range args {
			word, name, ok := strings.Cut(arg, "/")
			if !ok || word == "" || name == "" {
				return nil, usagef(cmd, "there is no resource/name in %q: give either one type and names, or only resource/name", arg)
			}
			k, err := findKind(word)
			if err != nil {
				return nil, err
			}
			targets = append(targets, target{k, name})
		}
		return targets, nil
	}
	k, err := findKind(args[0])
	if err != nil {
		return nil, err
	}
	if len(args) == 1 {
		return []target{{kind: k}}, nil
	}
	var targets []target
	for _, name := range args[1:] {
		if strings.Contains(name, "/") {
			return nil, usagef(cmd, "there is no need to specify a resource type as a separate argument when passing arguments in "+
				"resource/name form (e.g. '%[1]s resource/<resource_name>' instead of '%[1]s resource resource/<resource_name>'", cmd.CommandPath())
		}
		targets = append(targets, target{k, name})
	}
	return targets, nil
}

// podName takes NAME or pod/NAME.
func podName(arg string) (string, error) {
	word, name, ok := strings.Cut(arg, "/")
	if !ok {
		return arg, nil
	}
	k, err := findKind(word)
	if err == nil && k.resource != pods.resource {
		err = fmt.Errorf("%s: not a Pod", arg)
	}
	return name, err
}
