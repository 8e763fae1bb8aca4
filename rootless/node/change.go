package node

import (
	"context"
	"errors"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/peapod/peapod/rootless/api"
	"github.com/peapod/peapod/rootless/kube"
)

// ChangeObject is in api.Backend. An apply's manifest knows nothing of the stored object's owners, finalizers and what kubectl has noted in it; who changes an
// object has seen it, and means all of it.
func (n *Node) ChangeObject(
	_ context.Context, kind *kube.Kind, namespace, name string, change func(kube.Object) (kube.Object, error), options api.ApplyOptions,
) (*api.ApplyResult, error) {
	n.applying.Lock()
	defer n.applying.Unlock()
	stored, err := n.registry.get(kind, namespace, name)
	if err != nil {
		return nil, err
	}
	wanted, err := change(clone(stored))
	if err != nil {
		return nil, err
	}
	if err := checkVersion(wanted, stored); err != nil {
		return nil, err
	}
	keepMetadata(wanted, stored)
	kind.Default(wanted)
	if errs := kind.Validate(wanted, n.features()); len(errs) > 0 {
		return nil, apierrors.NewInvalid(kind.GroupKind(), name, errs)
	}
	result := &api.ApplyResult{Warnings: newWarnings(kube.WithoutEffect(wanted, n.features()), kube.WithoutEffect(stored, n.features()))}
	if result.Outcome, result.Object, err = n.update(kind, wanted, stored, options.DryRun); err != nil {
		return nil, err
	}
	if !sameReferences(wanted, stored) && !options.DryRun {
		result.Outcome = api.Configured
		if result.Object, err = n.registry.update(kind, namespace, name, func(present kube.Object) { adoptReferences(present, wanted) }); err != nil {
			return nil, err
		}
	}
	result.Object = clone(result.Object)
	return result, nil
}

// checkVersion refuses an object that was made for another version of the stored one, or for another object of that name.
func checkVersion(wanted, stored kube.Object) error {
	kind := kube.KindOf(stored)
	if v := wanted.GetResourceVersion(); v != "" && v != stored.GetResourceVersion() {
		return apierrors.NewConflict(kind.GroupResource(), stored.GetName(),
			errors.New("the object has been modified; please apply your changes to the latest version and try again"))
	}
	if uid := wanted.GetUID(); uid != "" && uid != stored.GetUID() {
		return apierrors.NewConflict(kind.GroupResource(), stored.GetName(),
			fmt.Errorf("Precondition failed: UID in precondition: %s, UID in object meta: %s", uid, stored.GetUID())) //nolint:staticcheck // as an API server says it
	}
	return nil
}

// keepMetadata gives an object what nobody but the node may change.
func keepMetadata(wanted, stored kube.Object) {
	wanted.SetUID(stored.GetUID())
	wanted.SetResourceVersion(stored.GetResourceVersion())
	wanted.SetCreationTimestamp(stored.GetCreationTimestamp())
	wanted.SetGeneration(stored.GetGeneration())
	wanted.SetDeletionTimestamp(stored.GetDeletionTimestamp())
	wanted.SetDeletionGracePeriodSeconds(stored.GetDeletionGracePeriodSeconds())
	wanted.SetGenerateName(stored.GetGenerateName())
}

// sameReferences compares what kube.Equal does not look at.
func sameReferences(a, b kube.Object) bool {
	return equality.Semantic.DeepEqual(a.GetOwnerReferences(), b.GetOwnerReferences()) && equality.Semantic.DeepEqual(a.GetFinalizers(), b.GetFinalizers()) &&
		a.GetAnnotations()[corev1.LastAppliedConfigAnnotation] == b.GetAnnotations()[corev1.LastAppliedConfigAnnotation]
}

func adoptReferences(present, wanted kube.Object) {
	present.SetOwnerReferences(wanted.GetOwnerReferences())
	present.SetFinalizers(wanted.GetFinalizers())
	annotations := maps.Clone(present.GetAnnotations())
	delete(annotations, corev1.LastAppliedConfigAnnotation)
	if note, ok := wanted.GetAnnotations()[corev1.LastAppliedConfigAnnotation]; ok {
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[corev1.LastAppliedConfigAnnotation] = note
	}
	present.SetAnnotations(annotations)
}
