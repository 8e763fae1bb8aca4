package node

import (
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/peapod/peapod/rootless/kube"
)

// A namespace is made by who wants one, or by the first object in it: on a machine of one's own nobody has to be asked. The default one is always there. One that
// is deleted lets nothing new in; the loop of the controllers deletes what is in it and, when that is gone, the namespace.

// foundNamespaces makes those that are missing when the node starts.
func (n *Node) foundNamespaces() error {
	n.applying.Lock()
	defer n.applying.Unlock()
	missing := map[string]bool{metav1.NamespaceDefault: true}
	for _, kind := range kube.Kinds {
		objects, _ := n.registry.list(kind, "")
		for _, o := range objects {
			if !kind.Cluster {
				missing[o.GetNamespace()] = true
			}
		}
	}
	for name := range missing {
		if _, err := n.registry.get(kube.Namespaces, "", name); err == nil {
			continue
		}
		if err := n.makeNamespace(name); err != nil {
			return err
		}
	}
	return nil
}

// enterNamespace makes the namespace of a new object, if there is none. Preconditions: n.applying is held.
func (n *Node) enterNamespace(o kube.Object, dryRun bool) error {
	kind := kube.KindOf(o)
	if kind.Cluster {
		return nil
	}
	namespace, err := n.registry.get(kube.Namespaces, "", o.GetNamespace())
	switch {
	case err != nil && dryRun:
		return nil
	case err != nil:
		return n.makeNamespace(o.GetNamespace())
	case namespace.GetDeletionTimestamp() != nil:
		refused := apierrors.NewForbidden(kind.GroupResource(), o.GetName(),
			fmt.Errorf("unable to create new content in namespace %s because it is being terminated", o.GetNamespace()))
		refused.ErrStatus.Details.Causes = append(refused.ErrStatus.Details.Causes, metav1.StatusCause{
			Type: corev1.NamespaceTerminatingCause, Message: fmt.Sprintf("namespace %s is being terminated", o.GetNamespace()), Field: "metadata.namespace",
		})
		return refused
	}
	return nil
}

func (n *Node) makeNamespace(name string) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	kube.Namespaces.Default(namespace)
	_, err := n.create(namespace, false)
	return err
}

// deleteNamespace marks a namespace as terminating. Preconditions: n.applying is held.
func (n *Node) deleteNamespace(namespace *corev1.Namespace) (kube.Object, error) {
	if namespace.Name == metav1.NamespaceDefault {
		return nil, apierrors.NewForbidden(kube.Namespaces.GroupResource(), namespace.Name, errors.New("this namespace may not be deleted"))
	}
	if namespace.DeletionTimestamp != nil {
		return clone(namespace), nil
	}
	o, err := n.registry.update(kube.Namespaces, "", namespace.Name, func(present kube.Object) {
		now := metav1.NewTime(time.Now().Truncate(time.Second))
		present.SetDeletionTimestamp(&now)
		present.(*corev1.Namespace).Status.Phase = corev1.NamespaceTerminating
	})
	if err != nil {
		return nil, err
	}
	return clone(o), nil
}

// emptyNamespaces deletes what is in namespaces that are terminating, and those that are empty. It tells whether it did anything.
func (n *Node) emptyNamespaces(there *observed) (acted bool) {
	for _, namespace := range there.objects[kube.Namespaces] {
		if namespace.GetDeletionTimestamp() == nil {
			continue
		}
		left := 0
		for _, kind := range kube.Kinds {
			for _, o := range there.objects[kind] {
				if kind.Cluster || o.GetNamespace() != namespace.GetName() {
					continue
				}
				left++
				if o.GetDeletionTimestamp() != nil {
					continue
				}
				acted = true
				if _, err := n.remove(o, metav1.DeleteOptions{}); err != nil {
					n.log.Error("empty a namespace", "namespace", namespace.GetName(), "object", keyOf(o), "error", err)
				}
			}
		}
		if left > 0 {
			continue
		}
		acted = true
		if err := n.registry.remove(kube.Namespaces, "", namespace.GetName()); err != nil {
			n.log.Error("delete a namespace", "namespace", namespace.GetName(), "error", err)
		}
	}
	return acted
}
