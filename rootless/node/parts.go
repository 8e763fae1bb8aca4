package node

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/peapod/peapod/rootless/api"
	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/lifecycle"
)

// ChangePart is in api.Backend.
func (n *Node) ChangePart(_ context.Context, part *kube.Part, namespace, name string, change func(*corev1.Pod) (*corev1.Pod, error), dryRun bool) (*api.ApplyResult, error) {
	n.applying.Lock()
	defer n.applying.Unlock()
	stored, err := n.registry.pod(namespace, name)
	if err != nil {
		return nil, err
	}
	asked, err := change(stored.DeepCopy())
	if err != nil {
		return nil, err
	}
	if err := checkVersion(asked, stored); err != nil {
		return nil, err
	}
	wanted := stored.DeepCopy()
	part.Take(wanted, asked)
	kube.Default(wanted)
	if errs := part.Validate(wanted, stored, n.features()); len(errs) > 0 {
		return nil, apierrors.NewInvalid(kube.Pods.GroupKind(), name, errs)
	}
	result := &api.ApplyResult{
		Object: wanted, Outcome: api.Configured,
		Warnings: newWarnings(kube.WithoutEffect(wanted, n.features()), kube.WithoutEffect(stored, n.features())),
	}
	if equality.Semantic.DeepEqual(wanted.Spec, stored.Spec) {
		result.Outcome = api.Unchanged
		return result, nil
	}
	if dryRun {
		return result, nil
	}
	changed, err := n.registry.update(kube.Pods, namespace, name, func(present kube.Object) {
		part.Take(present.(*corev1.Pod), wanted)
		present.SetGeneration(present.GetGeneration() + 1)
	})
	if err != nil {
		return nil, err
	}
	result.Object = clone(changed)
	if p := n.find(changed.(*corev1.Pod)); p != nil {
		p.post(lifecycle.Updated{Object: changed.(*corev1.Pod).DeepCopy()})
	}
	return result, nil
}

// newWarnings are those that nobody has been told when the stored object was applied.
func newWarnings(now, before []string) []string {
	return slices.DeleteFunc(now, func(line string) bool { return slices.Contains(before, line) })
}
