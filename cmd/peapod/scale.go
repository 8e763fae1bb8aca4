package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/peapod/peapod/rootless/api/client"
)

type scaleOptions struct {
	selectFlags
	replicas, current int32
}

func newScale(a *app) *cobra.Command {
	var o scaleOptions
	cmd := &cobra.Command{
		Use:   "scale --replicas=COUNT [--current-replicas=COUNT] (TYPE NAME… | TYPE/NAME… | TYPE --all | TYPE -l SELECTOR)",
		Short: "Say how many Pods a Deployment, ReplicaSet or StatefulSet has",
		Example: `  # Three
  peapod scale --replicas=3 deployment/web

  # None, if there is one now
  peapod scale --current-replicas=1 --replicas=0 sts db`,
		ValidArgsFunction: a.completeTargets,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case o.replicas < 0:
				return usagef(cmd, "The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0")
			case o.current < -1:
				return usagef(cmd, "The --current-replicas must specify an integer of -1 or greater")
			}
			return a.scale(cmd.Context(), cmd, args, &o)
		},
	}
	o.add(cmd)
	cmd.Flags().Int32Var(&o.replicas, "replicas", -1, "how many there are to be")
	cmd.Flags().Int32Var(&o.current, "current-replicas", -1, "only if that many are asked for now; -1 is any number")
	return cmd
}

func (a *app) scale(ctx context.Context, cmd *cobra.Command, args []string, o *scaleOptions) error {
	c, refs, err := a.find(ctx, cmd, args, &o.selectFlags)
	if err != nil {
		return err
	}
	if len(refs) == 0 {
		return errors.New("no objects passed to scale")
	}
	var failed []error
	for _, ref := range refs {
		if err := scaleOne(ctx, c, ref, o); err != nil {
			failed = append(failed, err)
			continue
		}
		fmt.Fprintf(a.out, "%s/%s scaled\n", ref.kind, ref.name)
	}
	return errors.Join(failed...)
}

// scaleOne changes the number, if it is the one that is expected, at once: if somebody else changes it meanwhile that is a conflict.
func scaleOne(ctx context.Context, c *client.Client, ref objectRef, o *scaleOptions) error {
	var scale struct {
		Metadata metav1.ObjectMeta `json:"metadata"`
		Spec     struct {
			Replicas int32 `json:"replicas"`
		} `json:"spec"`
	}
	metadata := map[string]string{}
	if o.current >= 0 {
		if err := c.GetScale(ctx, ref.request(), &scale); err != nil {
			return err
		}
		if scale.Spec.Replicas != o.current {
			return fmt.Errorf("Expected replicas to be %d, was %d", o.current, scale.Spec.Replicas) //nolint:staticcheck // as kubectl says it
		}
		metadata["resourceVersion"] = scale.Metadata.ResourceVersion
	}
	patch, err := json.Marshal(map[string]any{"metadata": metadata, "spec": map[string]int32{"replicas": o.replicas}})
	if err != nil {
		return err
	}
	return c.Patch(ctx, ref.request(), types.MergePatchType, patch, &scale, "scale")
}
