package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/peapod/peapod/rootless/api/client"
)

type waitOptions struct {
	selectFlags
	condition string
	timeout   time.Duration
}

func newWait(a *app) *cobra.Command {
	var o waitOptions
	cmd := &cobra.Command{
		Use:   "wait --for=(condition=NAME[=VALUE] | create | delete) (TYPE NAME… | TYPE/NAME… | TYPE --all | TYPE -l SELECTOR)",
		Short: "Wait until objects are as they are wanted",
		Example: `  # Until a Pod is ready
  peapod wait --for=condition=Ready pod/demo

  # Until a Job has failed
  peapod wait --for=condition=Failed job/sum --timeout=5m

  # Until it is gone
  peapod wait --for=delete pod/demo`,
		ValidArgsFunction: a.completeTargets,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.wait(cmd.Context(), cmd, args, &o) },
	}
	o.add(cmd)
	cmd.Flags().StringVar(&o.condition, "for", "", "what to wait for: condition=NAME (is True), condition=NAME=VALUE, create or delete")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 30*time.Second, "how long; 0 looks once, less than 0 is a week")
	return cmd
}

func (a *app) wait(ctx context.Context, cmd *cobra.Command, args []string, o *waitOptions) error {
	met, err := parseCondition(o.condition)
	if err != nil {
		return err
	}
	c, refs, err := a.find(ctx, cmd, args, &o.selectFlags)
	if err != nil {
		return err
	}
	if len(refs) == 0 && o.condition != "delete" {
		return errors.New("no matching resources found")
	}
	timeout := o.timeout
	if timeout < 0 {
		timeout = 7 * 24 * time.Hour
	}
	ctx, cancel := context.WithTimeout(ctx, max(timeout, time.Second)) // time for one look
	defer cancel()
	var failed []error
	for _, ref := range refs {
		if err := waitOne(ctx, c, ref, met, timeout == 0); err != nil {
			failed = append(failed, err)
			continue
		}
		fmt.Fprintf(a.out, "%s/%s condition met\n", ref.kind, ref.name)
	}
	return errors.Join(failed...)
}

func waitOne(ctx context.Context, c *client.Client, ref objectRef, met conditionMet, once bool) error {
	err := until(ctx, c, ref, func(o json.RawMessage) (bool, error) {
		done, err := met(ref, o)
		if once && !done && err == nil {
			err = fmt.Errorf("condition not met for %s/%s", ref.kind.resource, ref.name)
		}
		return done, err
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("timed out waiting for the condition on %s/%s", ref.kind.resource, ref.name)
	}
	return err
}

// conditionMet looks at an object; nil is one that is not there.
type conditionMet func(ref objectRef, o json.RawMessage) (bool, error)

// parseCondition reads what --for says.
func parseCondition(text string) (conditionMet, error) {
	switch lower := strings.ToLower(text); lower {
	case "delete":
		return func(_ objectRef, o json.RawMessage) (bool, error) { return o == nil, nil }, nil
	case "create":
		return func(_ objectRef, o json.RawMessage) (bool, error) { return o != nil, nil }, nil
	}
	rest, ok := strings.CutPrefix(text, "condition=")
	name, value, given := strings.Cut(rest, "=")
	if !ok || name == "" {
		return nil, fmt.Errorf("unrecognized condition: %q", text)
	}
	if !given {
		value = "true"
	}
	return func(ref objectRef, o json.RawMessage) (bool, error) {
		if o == nil {
			return false, apierrors.NewNotFound(schema.GroupResource{Group: ref.kind.group, Resource: ref.kind.resource}, ref.name)
		}
		return hasCondition(o, name, value)
	}, nil
}

// hasCondition tells whether a condition, named in any case, has a value. One that the controllers have not looked at since the object was changed has none.
func hasCondition(data json.RawMessage, name, value string) (bool, error) {
	var o struct {
		Metadata struct{ Generation int64 }
		Status   struct {
			ObservedGeneration int64
			Conditions         []struct {
				Type, Status       string
				ObservedGeneration int64
			}
		}
	}
	if err := json.Unmarshal(data, &o); err != nil {
		return false, err
	}
	for _, c := range o.Status.Conditions {
		if !strings.EqualFold(c.Type, name) {
			continue
		}
		observed := c.ObservedGeneration
		if observed == 0 {
			observed = o.Status.ObservedGeneration
		}
		return (observed == 0 || observed >= o.Metadata.Generation) && strings.EqualFold(c.Status, value), nil
	}
	return false, nil
}
