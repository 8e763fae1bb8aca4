package node

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/peapod/peapod/rootless/kube"
)

// remove deletes an object in the way that the options ask for. Background (the default): at once, and what it owns is collected later.
// Foreground: when what it owns is gone. Orphan: what it owns stays and forgets it. Preconditions: n.applying is held, but for a Pod.
func (n *Node) remove(o kube.Object, options metav1.DeleteOptions) (kube.Object, error) {
	kind := kube.KindOf(o)
	if pod, ok := o.(*corev1.Pod); ok {
		return n.deletePod(pod, options.GracePeriodSeconds)
	}
	if namespace, ok := o.(*corev1.Namespace); ok {
		return n.deleteNamespace(namespace)
	}
	if claim, ok := o.(*corev1.PersistentVolumeClaim); ok {
		return n.deleteClaim(claim)
	}
	policy := metav1.DeletePropagationBackground
	if p := options.PropagationPolicy; p != nil {
		policy = *p
	} else if orphan := options.OrphanDependents; orphan != nil && *orphan { //nolint:staticcheck // older clients say it so
		policy = metav1.DeletePropagationOrphan
	}
	switch policy {
	case metav1.DeletePropagationForeground:
		return n.registry.update(kind, o.GetNamespace(), o.GetName(), func(present kube.Object) {
			now := metav1.NewTime(time.Now().Truncate(time.Second))
			present.SetDeletionTimestamp(&now)
			if !foreground(present) {
				present.SetFinalizers(append(present.GetFinalizers(), metav1.FinalizerDeleteDependents))
			}
		})
	case metav1.DeletePropagationOrphan:
		if err := n.orphan(o.GetUID()); err != nil {
			return nil, err
		}
	}
	return clone(o), n.registry.remove(kind, o.GetNamespace(), o.GetName())
}

func foreground(o kube.Object) bool {
	return o.GetDeletionTimestamp() != nil && slices.Contains(o.GetFinalizers(), metav1.FinalizerDeleteDependents)
}

// orphan lets everything that an object owns forget it.
func (n *Node) orphan(owner types.UID) error {
	for _, kind := range kube.Kinds {
		objects, _ := n.registry.list(kind, "")
		for _, o := range objects {
			if !slices.ContainsFunc(o.GetOwnerReferences(), func(r metav1.OwnerReference) bool { return r.UID == owner }) {
				continue
			}
			_, err := n.registry.update(kind, o.GetNamespace(), o.GetName(), func(present kube.Object) {
				present.SetOwnerReferences(slices.DeleteFunc(slices.Clone(present.GetOwnerReferences()),
					func(r metav1.OwnerReference) bool { return r.UID == owner }))
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// collect deletes what has owners of which none is left or stays, and owners that waited for what they own.
func (n *Node) collect(there *observed) {
	waited := map[types.UID]bool{} // for something that is still there
	for _, kind := range kube.Kinds {
		for _, o := range there.objects[kind] {
			owners := o.GetOwnerReferences()
			if len(owners) == 0 {
				continue
			}
			stays := slices.ContainsFunc(owners, func(r metav1.OwnerReference) bool {
				owner := there.uids[r.UID]
				if owner != nil && foreground(owner) {
					waited[r.UID] = true
					return false
				}
				return owner != nil
			})
			if stays || o.GetDeletionTimestamp() != nil {
				continue
			}
			var options metav1.DeleteOptions
			if slices.ContainsFunc(owners, func(r metav1.OwnerReference) bool { return there.uids[r.UID] != nil }) {
				policy := metav1.DeletePropagationForeground // as the owner goes, so does what it owns
				options.PropagationPolicy = &policy
			}
			if _, err := n.remove(o, options); err != nil {
				n.log.Error("collect", "object", keyOf(o), "error", err)
			}
		}
	}
	for uid, o := range there.uids {
		if _, isPod := o.(*corev1.Pod); !isPod && foreground(o) && !waited[uid] {
			if err := n.registry.remove(kube.KindOf(o), o.GetNamespace(), o.GetName()); err != nil {
				n.log.Error("collect", "object", keyOf(o), "error", err)
			}
		}
	}
}
