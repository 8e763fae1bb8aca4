package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	"github.com/peapod/peapod/rootless/api/client"
	"github.com/peapod/peapod/rootless/kube"
)

func newRollout(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rollout",
		Short: "Follow and steer how Deployments, StatefulSets and DaemonSets go over to another template",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newRolloutStatus(a), newRolloutHistory(a), newRolloutUndo(a),
		a.rolloutPatch("restart", "Make new Pods of the same template", rollouts, restartPatch),
		a.rolloutPatch("pause", "Let a Deployment keep its Pods while its template is changed", deployments, pausePatch(true)),
		a.rolloutPatch("resume", "Let a paused Deployment go on", deployments, pausePatch(false)))
	return cmd
}

// Kinds that have rollouts, and the one that has all of it.
var (
	rollouts    = []*kube.Kind{kube.Deployments, kube.StatefulSets, kube.DaemonSets}
	deployments = rollouts[:1]
)

// findRollouts is find for objects of some kinds.
func (a *app) findRollouts(ctx context.Context, cmd *cobra.Command, args []string, s *selectFlags, of []*kube.Kind) (*client.Client, []objectRef, error) {
	c, refs, err := a.find(ctx, cmd, args, s)
	if err != nil {
		return nil, nil, err
	}
	for _, ref := range refs {
		known := false
		for _, k := range of {
			known = known || k.Resource == ref.kind.resource
		}
		if !known {
			return nil, nil, fmt.Errorf("%s %q: %s is not supported for this kind", ref.kind, ref.name, cmd.Name())
		}
	}
	return c, refs, nil
}

// rolloutPatch is a verb that changes objects of some kinds.
func (a *app) rolloutPatch(verb, short string, of []*kube.Kind, patch func(*workload) (any, error)) *cobra.Command {
	var s selectFlags
	cmd := &cobra.Command{
		Use:               verb + " (TYPE NAME… | TYPE/NAME… | TYPE --all | TYPE -l SELECTOR)",
		Short:             short,
		Example:           "  peapod rollout " + verb + " deployment/web",
		ValidArgsFunction: a.completeTargets,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, refs, err := a.findRollouts(cmd.Context(), cmd, args, &s, of)
			if err != nil {
				return err
			}
			var failed []error
			for _, ref := range refs {
				if err := patchWorkload(cmd.Context(), c, ref, patch); err != nil {
					failed = append(failed, err)
					continue
				}
				fmt.Fprintf(a.out, "%s/%s %s\n", ref.kind, ref.name, pastOf(verb))
			}
			return errors.Join(failed...)
		},
	}
	s.add(cmd)
	return cmd
}

func patchWorkload(ctx context.Context, c *client.Client, ref objectRef, patch func(*workload) (any, error)) error {
	var w workload
	if err := c.Get(ctx, ref.request(), &w); err != nil {
		return err
	}
	change, err := patch(&w)
	if err != nil {
		return fmt.Errorf("%s %q %w", ref.kind.resource+"."+ref.kind.group, ref.name, err)
	}
	data, err := json.Marshal(change)
	if err != nil {
		return err
	}
	return c.Patch(ctx, ref.request(), types.StrategicMergePatchType, data, &w)
}

// restartPatch changes the template by a note of when.
func restartPatch(w *workload) (any, error) {
	if w.Spec.Paused {
		return nil, errors.New("can't restart paused deployment (run rollout resume first)")
	}
	annotations := object{"kubectl.kubernetes.io/restartedAt": time.Now().Format(time.RFC3339)}
	return object{"spec": object{"template": object{"metadata": object{"annotations": annotations}}}}, nil
}

func pausePatch(pause bool) func(*workload) (any, error) {
	return func(w *workload) (any, error) {
		switch {
		case pause && w.Spec.Paused:
			return nil, errors.New("is already paused")
		case !pause && !w.Spec.Paused:
			return nil, errors.New("is not paused")
		}
		return object{"spec": object{"paused": pause}}, nil
	}
}
