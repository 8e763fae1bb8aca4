package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/peapod/peapod/rootless/api/client"
	"github.com/peapod/peapod/rootless/kube"
)

// category is what "all" means to get: what serves and runs, in kubectl's order.
var category = []*kube.Kind{
	kube.Pods, kube.ReplicationControllers, kube.Services, kube.DaemonSets, kube.Deployments, kube.ReplicaSets, kube.StatefulSets, kube.CronJobs, kube.Jobs,
}

// severalKinds reads `all` or `po,svc`; none if the command line says something else.
func severalKinds(args []string) (several []kind, err error) {
	if len(args) != 1 || strings.Contains(args[0], "/") {
		return nil, nil
	}
	if strings.EqualFold(args[0], "all") {
		for _, k := range category {
			several = append(several, kindOf(k))
		}
		return several, nil
	}
	if !strings.Contains(args[0], ",") {
		return nil, nil
	}
	for word := range strings.SplitSeq(args[0], ",") {
		k, err := findKind(word)
		if err != nil {
			return nil, err
		}
		several = append(several, k)
	}
	return several, nil
}

// getSeveral lists several kinds: a table for each that has something, or one list of whole objects.
func (a *app) getSeveral(ctx context.Context, cmd *cobra.Command, several []kind, o *getOptions) error {
	if o.watch {
		return usagef(cmd, "you may only specify a single resource when using --watch")
	}
	print, err := a.getPrinter(several[0], o)
	if err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	answers, err := a.listEach(ctx, c, several, o, print.table)
	if err != nil || !print.table {
		if err == nil {
			err = print.first(answers, true)
		}
		return err
	}
	printed := false
	for i, answer := range answers {
		var t table
		if err := json.Unmarshal(answer, &t); err != nil {
			return fmt.Errorf("decode the node's table: %w", err)
		}
		if len(t.Rows) == 0 {
			continue
		}
		if printed {
			fmt.Fprintln(a.out)
		}
		printed = true
		one, err := a.getPrinter(several[i], o)
		if err != nil {
			return err
		}
		one.prefix = several[i].String() + "/"
		if err := one.first([]json.RawMessage{answer}, true); err != nil {
			return err
		}
	}
	if !printed && !o.ignoreNotFound {
		a.noneFound(several[0], o.allNamespaces)
	}
	return nil
}

func (a *app) listEach(ctx context.Context, c *client.Client, several []kind, o *getOptions, table bool) ([]json.RawMessage, error) {
	var answers []json.RawMessage
	for _, k := range several {
		var answer json.RawMessage
		if err := c.Get(ctx, a.request(target{kind: k}, o, table), &answer); err != nil {
			return nil, err
		}
		answers = append(answers, answer)
	}
	return answers, nil
}
