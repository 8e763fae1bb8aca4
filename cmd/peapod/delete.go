package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/peapod/peapod/rootless/api/client"
	"github.com/peapod/peapod/rootless/kube"
)

type deleteOptions struct {
	manifestFlags
	gracePeriod    int64
	now            bool
	force          bool
	wait           bool
	timeout        time.Duration
	ignoreNotFound bool
	selectFlags
}

func newDelete(a *app) *cobra.Command {
	var o deleteOptions
	cmd := &cobra.Command{
		Use:   "delete (-f FILE… | TYPE NAME… | TYPE/NAME… | TYPE --all | TYPE -l SELECTOR)",
		Short: "End Pods and remove them, or remove other objects",
		Long: `End Pods and remove them: hooks run, processes get their stop signal and, after the grace period, SIGKILL.
The command returns when the Pods are gone. A Secret is simply removed; who uses it already keeps what it has got. With a namespace goes all that is in it.`,
		Example: `  # What a file describes
  peapod delete -f pod.yaml

  # By name, with one second to end
  peapod delete pod demo --now

  # Everything in the namespace, without waiting
  peapod delete pods --all --wait=false`,
		ValidArgsFunction: a.completeTargets,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd, args); err != nil {
				return err
			}
			return a.delete(cmd.Context(), cmd, args, &o)
		},
	}
	o.manifestFlags.add(cmd)
	flags := cmd.Flags()
	flags.Int64Var(&o.gracePeriod, "grace-period", -1, "seconds to end; -1 is what the Pod says, 0 (kill at once) needs --force")
	flags.BoolVar(&o.now, "now", false, "the same as --grace-period=1")
	flags.BoolVar(&o.force, "force", false, "kill at once and do not wait")
	flags.BoolVar(&o.wait, "wait", true, "return when the Pods are gone")
	flags.DurationVar(&o.timeout, "timeout", 0, "wait no longer than this; 0 for as long as it takes")
	flags.BoolVar(&o.ignoreNotFound, "ignore-not-found", false, "no error for what does not exist")
	o.selectFlags.add(cmd)
	return cmd
}

// check also brings grace period and waiting to what kubectl makes of the flags.
func (o *deleteOptions) check(cmd *cobra.Command, args []string) error {
	many := o.all || o.selector != ""
	switch {
	case len(o.files) == 0 && len(args) == 0:
		return usagef(cmd, "You must provide one or more resources by argument or filename.")
	case len(o.files) > 0 && (len(args) > 0 || many):
		return usagef(cmd, "when paths are provided as input, you may not specify resource arguments as well")
	case o.all && o.selector != "":
		return usagef(cmd, "cannot set --all and --selector at the same time")
	case o.now && o.gracePeriod != -1:
		return usagef(cmd, "--now and --grace-period cannot be specified together")
	case o.force && o.gracePeriod > 0:
		return usagef(cmd, "--force and --grace-period greater than 0 cannot be specified together")
	case o.gracePeriod < -1:
		return usagef(cmd, "--grace-period must be -1 or more")
	}
	switch {
	case o.now:
		o.gracePeriod = 1
	case o.force:
		o.gracePeriod = 0
		if !cmd.Flags().Changed("wait") {
			o.wait = false
		}
	case o.gracePeriod == 0:
		o.gracePeriod = 1
	}
	if many {
		o.ignoreNotFound = true
	}
	return nil
}

func (a *app) delete(ctx context.Context, cmd *cobra.Command, args []string, o *deleteOptions) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	refs, err := a.toDelete(ctx, cmd, c, args, o)
	if err != nil {
		return err
	}
	if o.force {
		fmt.Fprintln(a.err, "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated.")
	}
	var failed []error
	var deleted []deletion
	for _, ref := range refs {
		object, err := a.deleteOne(ctx, c, ref, o)
		if err != nil {
			failed = append(failed, err)
		} else if object != nil {
			deleted = append(deleted, deletion{ref, object.UID})
		}
	}
	if o.wait {
		failed = append(failed, waitAllGone(ctx, c, deleted, o.timeout))
	}
	if len(refs) == 0 {
		fmt.Fprintln(a.out, "No resources found")
	}
	return errors.Join(failed...)
}

// toDelete are the objects that files, names or a selection mean.
func (a *app) toDelete(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string, o *deleteOptions) ([]objectRef, error) {
	var refs []objectRef
	if len(o.files) > 0 {
		entries, err := a.named(&o.manifestFlags, "delete")
		var namespaces []objectRef // last: what else is in them would be gone with them
		for i := range entries {
			ref := refOf(entries[i].Object)
			if ref.kind.resource == kube.Namespaces.Resource {
				namespaces = append(namespaces, ref)
				continue
			}
			refs = append(refs, ref)
		}
		return append(refs, namespaces...), err
	}
	return a.refs(ctx, cmd, c, args, &o.selectFlags)
}

// deleteOne returns nil for an object that may be missing and is.
func (a *app) deleteOne(ctx context.Context, c *client.Client, ref objectRef, o *deleteOptions) (*metav1.PartialObjectMetadata, error) {
	var options metav1.DeleteOptions
	if o.gracePeriod >= 0 {
		options.GracePeriodSeconds = &o.gracePeriod
	}
	object, err := c.Delete(ctx, ref.request(), options)
	if apierrors.IsNotFound(err) && o.ignoreNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	how := "deleted"
	if o.force {
		how = "force deleted"
	}
	fmt.Fprintf(a.out, "%s %q %s\n", ref.kind, ref.name, how)
	return object, nil
}

// deletion is an object whose deletion was asked for.
type deletion struct {
	objectRef
	uid types.UID
}

func waitAllGone(ctx context.Context, c *client.Client, deleted []deletion, timeout time.Duration) error {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	var failed []error
	for _, d := range deleted {
		failed = append(failed, waitGone(ctx, c, d))
	}
	return errors.Join(failed...)
}

// waitGone returns when the object is not there any more; one of the same name with another uid is not it. The watch may end
// early, with the node: then it starts over.
func waitGone(ctx context.Context, c *client.Client, d deletion) error {
	for {
		gone, err := watchGone(ctx, c, d)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return fmt.Errorf("timed out waiting for the condition on %s/%s", d.kind.resource, d.name)
		}
		if err != nil || gone {
			return err
		}
	}
}

func watchGone(ctx context.Context, c *client.Client, d deletion) (gone bool, err error) {
	var now metav1.PartialObjectMetadata
	if err := c.Get(ctx, d.request(), &now); err != nil {
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	}
	if now.UID != d.uid {
		return true, nil
	}
	stream, err := c.Watch(ctx, client.Request{
		Group: d.kind.group, Resource: d.kind.resource, Namespace: d.namespace, FieldSelector: "metadata.name=" + d.name, ResourceVersion: now.ResourceVersion,
	})
	if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer stream.Close()
	for {
		kind, err := stream.Next(&now)
		if err != nil {
			return false, nil // whatever ended it, a Get tells how things are
		}
		if kind == "DELETED" || now.UID != d.uid {
			return true, nil
		}
	}
}
