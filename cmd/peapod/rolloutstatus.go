package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/peapod/peapod/rootless/api/client"
)

// workload is what rollout looks at of a Deployment, StatefulSet or DaemonSet.
type workload struct {
	Metadata metav1.ObjectMeta `json:"metadata"`
	Spec     struct {
		Replicas       *int32                `json:"replicas"`
		Paused         bool                  `json:"paused"`
		Selector       *metav1.LabelSelector `json:"selector"`
		Template       json.RawMessage       `json:"template"`
		UpdateStrategy struct {
			Type          string `json:"type"`
			RollingUpdate *struct {
				Partition *int32 `json:"partition"`
			} `json:"rollingUpdate"`
		} `json:"updateStrategy"`
	} `json:"spec"`
	Status struct {
		ObservedGeneration     int64 `json:"observedGeneration"`
		Replicas               int32 `json:"replicas"`
		UpdatedReplicas        int32 `json:"updatedReplicas"`
		ReadyReplicas          int32 `json:"readyReplicas"`
		AvailableReplicas      int32 `json:"availableReplicas"`
		DesiredNumberScheduled int32 `json:"desiredNumberScheduled"`
		UpdatedNumberScheduled int32 `json:"updatedNumberScheduled"`
		NumberAvailable        int32 `json:"numberAvailable"`
		Conditions             []struct {
			Type, Reason string
		} `json:"conditions"`
	} `json:"status"`
}

func newRolloutStatus(a *app) *cobra.Command {
	var s selectFlags
	var watch bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:               "status (TYPE NAME… | TYPE/NAME… | TYPE --all | TYPE -l SELECTOR)",
		Short:             "Follow a rollout until it is done",
		Example:           "  peapod rollout status deployment/web --timeout=2m",
		ValidArgsFunction: a.completeTargets,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, refs, err := a.findRollouts(cmd.Context(), cmd, args, &s, rollouts)
			if err != nil {
				return err
			}
			for _, ref := range refs {
				if err := a.followRollout(cmd.Context(), c, ref, watch, timeout); err != nil {
					return err
				}
			}
			return nil
		},
	}
	s.add(cmd)
	cmd.Flags().BoolVarP(&watch, "watch", "w", true, "go on until it is done")
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "wait no longer than this; 0 for as long as it takes")
	return cmd
}

func (a *app) followRollout(ctx context.Context, c *client.Client, ref objectRef, watch bool, timeout time.Duration) error {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	var w workload
	if err := c.Get(ctx, ref.request(), &w); err != nil { // NotFound, if so
		return err
	}
	said := ""
	err := until(ctx, c, ref, func(o json.RawMessage) (bool, error) {
		if o == nil {
			return true, errors.New("object has been deleted")
		}
		var w workload
		if err := json.Unmarshal(o, &w); err != nil {
			return true, err
		}
		message, done, err := rolloutStatus(ref.kind.singular, &w)
		if message != "" && message != said {
			fmt.Fprintln(a.out, message)
			said = message
		}
		return done || !watch, err
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("timed out waiting for the condition")
	}
	return err
}

// rolloutStatus says in kubectl's words how far a rollout is.
func rolloutStatus(kind string, w *workload) (message string, done bool, err error) {
	name, s := w.Metadata.Name, &w.Status
	replicas := int32(1)
	if w.Spec.Replicas != nil {
		replicas = *w.Spec.Replicas
	}
	if strategy := w.Spec.UpdateStrategy.Type; kind != "deployment" && strategy != "RollingUpdate" {
		return "", true, errors.New("rollout status is only available for RollingUpdate strategy type")
	}
	observed := s.ObservedGeneration != 0 && w.Metadata.Generation <= s.ObservedGeneration
	switch kind {
	case "daemonset":
		switch desired := s.DesiredNumberScheduled; {
		case !observed:
			return "Waiting for daemon set spec update to be observed...", false, nil
		case s.UpdatedNumberScheduled < desired:
			return fmt.Sprintf("Waiting for daemon set %q rollout to finish: %d out of %d new pods have been updated...", name, s.UpdatedNumberScheduled, desired), false, nil
		case s.NumberAvailable < desired:
			return fmt.Sprintf("Waiting for daemon set %q rollout to finish: %d of %d updated pods are available...", name, s.NumberAvailable, desired), false, nil
		}
		return fmt.Sprintf("daemon set %q successfully rolled out", name), true, nil
	case "statefulset":
		wanted := replicas
		if r := w.Spec.UpdateStrategy.RollingUpdate; r != nil && r.Partition != nil {
			wanted -= *r.Partition
		}
		switch {
		case !observed:
			return "Waiting for statefulset spec update to be observed...", false, nil
		case s.ReadyReplicas < replicas:
			return fmt.Sprintf("Waiting for %d pods to be ready...", replicas-s.ReadyReplicas), false, nil
		case s.UpdatedReplicas < wanted:
			return fmt.Sprintf("Waiting for partitioned roll out to finish: %d out of %d new pods have been updated...", s.UpdatedReplicas, wanted), false, nil
		}
		return fmt.Sprintf("partitioned roll out complete: %d new pods have been updated...", s.UpdatedReplicas), true, nil
	}
	if !observed {
		return "Waiting for deployment spec update to be observed...", false, nil
	}
	for _, c := range s.Conditions {
		if c.Type == "Progressing" && c.Reason == "ProgressDeadlineExceeded" {
			return "", false, fmt.Errorf("deployment %q exceeded its progress deadline", name)
		}
	}
	const waiting = "Waiting for deployment %q rollout to finish: "
	switch {
	case s.UpdatedReplicas < replicas:
		return fmt.Sprintf(waiting+"%d out of %d new replicas have been updated...", name, s.UpdatedReplicas, replicas), false, nil
	case s.Replicas > s.UpdatedReplicas:
		return fmt.Sprintf(waiting+"%d old replicas are pending termination...", name, s.Replicas-s.UpdatedReplicas), false, nil
	case s.AvailableReplicas < s.UpdatedReplicas:
		return fmt.Sprintf(waiting+"%d of %d updated replicas are available...", name, s.AvailableReplicas, s.UpdatedReplicas), false, nil
	}
	return fmt.Sprintf("deployment %q successfully rolled out", name), true, nil
}
