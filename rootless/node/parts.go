package node

import (
	"context"
	"errors"
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
	if asked.ResourceVersion != "" && asked.ResourceVersion != stored.ResourceVersion {
		return nil, apierrors.NewConflict(kube.Pods.GroupResource(), name,
			errors.New("the object has been modified; please apply your changes to the latest version and try again"))
	}
	wanted := stored.DeepCopy()
	part.Take(wanted, asked)
	kube.Default(wanted)
	if errs := part.Validate(wanted, stored, n.features()); len(errs) > 0 {
		return nil, apierrors.NewInvalid(kube.Pods.GroupKind(), name, errs)
	}
	known := kube.WithoutEffect(stored, n.features())
	result := &api.ApplyResult{Object: wanted, Outcome: api.Configured}
	for _, line := range kube.WithoutEffect(wanted, n.features()) {
		if !slices.Contains(known, line) {
			result.Warnings = append(result.Warnings, line)
		}
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
