package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/peapod/peapod/rootless/api/client"
)

// A Deployment's history are its ReplicaSets: each has the template and the number of a revision.

const (
	revisionAnnotation = "deployment.kubernetes.io/revision"
	causeAnnotation    = "kubernetes.io/change-cause"
)

// revision is one template that a Deployment has had.
type revision struct {
	number int64
	set    *appsv1.ReplicaSet
}

// history is oldest first.
func history(ctx context.Context, c *client.Client, d *appsv1.Deployment) ([]revision, error) {
	var list appsv1.ReplicaSetList
	err := c.Get(ctx, client.Request{Group: "apps", Resource: "replicasets", Namespace: d.Namespace}, &list)
	var all []revision
	for i := range list.Items {
		set := &list.Items[i]
		number, _ := strconv.ParseInt(set.Annotations[revisionAnnotation], 10, 64)
		if metav1.IsControlledBy(set, d) && number > 0 {
			all = append(all, revision{number, set})
		}
	}
	slices.SortFunc(all, func(a, b revision) int { return int(a.number - b.number) })
	return all, err
}

func newRolloutHistory(a *app) *cobra.Command {
	var s selectFlags
	cmd := &cobra.Command{
		Use:               "history (deployment NAME… | deployment/NAME… | deployment --all | deployment -l SELECTOR)",
		Short:             "List the revisions of a Deployment",
		Example:           "  peapod rollout history deployment/web",
		ValidArgsFunction: a.completeTargets,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.eachDeployment(cmd, args, &s, func(ref objectRef, _ *appsv1.Deployment, all []revision) error {
				fmt.Fprintf(a.out, "%s/%s \n", ref.kind, ref.name)
				if len(all) == 0 {
					fmt.Fprintln(a.out, "No rollout history found.")
					return nil
				}
				rows := [][]string{{"REVISION", "CHANGE-CAUSE"}}
				for _, r := range all {
					cause := r.set.Annotations[causeAnnotation]
					if cause == "" {
						cause = "<none>"
					}
					rows = append(rows, []string{strconv.FormatInt(r.number, 10), cause})
				}
				for _, row := range rows {
					fmt.Fprintf(a.out, "%-8s  %s\n", row[0], row[1])
				}
				fmt.Fprintln(a.out)
				return nil
			})
		},
	}
	s.add(cmd)
	return cmd
}

func (a *app) eachDeployment(cmd *cobra.Command, args []string, s *selectFlags, do func(objectRef, *appsv1.Deployment, []revision) error) error {
	ctx := cmd.Context()
	c, refs, err := a.findRollouts(ctx, cmd, args, s, deployments)
	if err != nil {
		return err
	}
	var failed []error
	for _, ref := range refs {
		var d appsv1.Deployment
		var all []revision
		err := c.Get(ctx, ref.request(), &d)
		if err == nil {
			all, err = history(ctx, c, &d)
		}
		if err == nil {
			err = do(ref, &d, all)
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

func newRolloutUndo(a *app) *cobra.Command {
	var s selectFlags
	var to int64
	cmd := &cobra.Command{
		Use:   "undo [--to-revision=N] (deployment NAME… | deployment/NAME… | deployment --all | deployment -l SELECTOR)",
		Short: "Let a Deployment go back to an earlier template",
		Example: `  # To the one before
  peapod rollout undo deployment/web

  # To the first
  peapod rollout undo deployment/web --to-revision=1`,
		ValidArgsFunction: a.completeTargets,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.eachDeployment(cmd, args, &s, func(ref objectRef, d *appsv1.Deployment, all []revision) error {
				back, err := revisionToUndo(d, all, to)
				if err != nil {
					return err
				}
				how := "rolled back"
				if template := back.template(); equality.Semantic.DeepEqual(*template, d.Spec.Template) {
					how = fmt.Sprintf("skipped rollback (current template already matches revision %d)", back.number)
				} else if err := a.undo(cmd.Context(), ref, d, back); err != nil {
					return fmt.Errorf("failed restoring revision %d: %w", to, err)
				}
				fmt.Fprintf(a.out, "%s/%s %s\n", ref.kind, ref.name, how)
				return nil
			})
		},
	}
	s.add(cmd)
	cmd.Flags().Int64Var(&to, "to-revision", 0, "the revision; 0 is the last but one")
	return cmd
}

// revisionToUndo is the revision of a number, or the last but one.
func revisionToUndo(d *appsv1.Deployment, all []revision, to int64) (*revision, error) {
	switch {
	case d.Spec.Paused:
		return nil, errors.New("you cannot rollback a paused deployment; resume it first with 'peapod rollout resume' and try again")
	case to == 0 && len(all) < 2:
		return nil, fmt.Errorf("no rollout history found for deployment %q", d.Name)
	case to == 0:
		return &all[len(all)-2], nil
	}
	i := slices.IndexFunc(all, func(r revision) bool { return r.number == to })
	if i < 0 {
		return nil, fmt.Errorf("unable to find specified revision %d in history", to)
	}
	return &all[i], nil
}

// template is that of the revision as the Deployment has had it.
func (r *revision) template() *corev1.PodTemplateSpec {
	t := r.set.Spec.Template.DeepCopy()
	delete(t.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	return t
}

func (a *app) undo(ctx context.Context, ref objectRef, d *appsv1.Deployment, back *revision) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	annotations := map[string]string{}
	for key, value := range d.Annotations {
		if ownOfDeployment(key) {
			annotations[key] = value
		}
	}
	for key, value := range back.set.Annotations {
		if !ownOfDeployment(key) {
			annotations[key] = value
		}
	}
	var patch bytes.Buffer
	err = json.NewEncoder(&patch).Encode([]object{
		{"op": "replace", "path": "/spec/template", "value": back.template()}, {"op": "add", "path": "/metadata/annotations", "value": annotations},
	})
	if err != nil {
		return err
	}
	return c.Patch(ctx, ref.request(), types.JSONPatchType, patch.Bytes(), d)
}

// ownOfDeployment tells annotations that are not a revision's.
func ownOfDeployment(annotation string) bool {
	return strings.HasPrefix(annotation, "deployment.kubernetes.io/") || annotation == "kubectl.kubernetes.io/last-applied-configuration"
}
