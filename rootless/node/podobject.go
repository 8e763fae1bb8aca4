package node

import (
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/lifecycle"
)

// createPod stores a new Pod and starts its loop.
func (n *Node) createPod(object *corev1.Pod, dryRun bool) error {
	object.Generation = 1
	object.Spec.NodeName = n.name
	object.Status = corev1.PodStatus{Phase: corev1.PodPending, QOSClass: kube.QOS(object)}
	if dryRun {
		return nil
	}
	if err := n.prepareFiles(object); err != nil {
		return err
	}
	if err := n.registry.create(object); err != nil {
		_ = os.Remove(n.paths.PodRun(object.UID)) // it is empty
		return err
	}
	if n.maps.Single() {
		n.events.record(object, lifecycle.Emit{Type: corev1.EventTypeWarning, Reason: "SingleID", Message: n.singleID()})
	}
	p := n.newPod(object, lifecycle.New(object.DeepCopy(), time.Now()))
	p.post(lifecycle.Added{})
	n.run(p)
	return nil
}

// deletePod notes when the Pod is to be gone and tells its loop. seconds is the grace period that was asked for, if one was.
func (n *Node) deletePod(stored *corev1.Pod, seconds *int64) (*corev1.Pod, error) {
	grace := int64(corev1.DefaultTerminationGracePeriodSeconds)
	if s := stored.Spec.TerminationGracePeriodSeconds; s != nil {
		grace = *s
	}
	if seconds != nil {
		grace = max(*seconds, 0)
	}
	updated, err := n.registry.update(kube.Pods, stored.Namespace, stored.Name, func(o kube.Object) {
		if old := o.GetDeletionGracePeriodSeconds(); old != nil && *old <= grace {
			return // a second deletion can only shorten the time
		}
		end := metav1.NewTime(time.Now().Add(time.Duration(grace) * time.Second).Truncate(time.Second))
		o.SetDeletionTimestamp(&end)
		o.SetDeletionGracePeriodSeconds(&grace)
	})
	if err != nil {
		return nil, err
	}
	deleted := updated.(*corev1.Pod)
	if p := n.find(deleted); p != nil {
		p.post(deletion(deleted))
	}
	return deleted.DeepCopy(), nil
}

// deletion is the event that a stored Pod's deletion timestamp stands for.
func deletion(object *corev1.Pod) lifecycle.Event {
	var grace int64
	if s := object.DeletionGracePeriodSeconds; s != nil {
		grace = *s
	}
	return lifecycle.DeleteRequested{Grace: grace, At: object.DeletionTimestamp.Add(-time.Duration(grace) * time.Second)}
}
