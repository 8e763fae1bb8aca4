package controller

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/kube"
)

// Kinds are those that Reconcile knows, owners before what they make.
var Kinds = []*kube.Kind{kube.CronJobs, kube.Jobs, kube.Deployments, kube.ReplicaSets, kube.ReplicationControllers, kube.StatefulSets, kube.DaemonSets}

// Owned are the objects that one owns.
type Owned struct {
	Pods        []*corev1.Pod // of a Deployment those of its ReplicaSets
	ReplicaSets []*appsv1.ReplicaSet
	Jobs        []*batchv1.Job
	Claims      map[string]bool // names of all claims of the namespace
}

// Reconcile returns the plan for an object of one of Kinds that is not being deleted. It changes none of its arguments.
func Reconcile(now time.Time, o kube.Object, owned Owned) *Plan {
	now = now.Truncate(time.Second) // times of the API have no fractions
	switch o := o.DeepCopyObject().(type) {
	case *appsv1.Deployment:
		return reconcileDeployment(now, o, owned)
	case *appsv1.ReplicaSet:
		return reconcileReplicaSet(now, o, owned.Pods)
	case *corev1.ReplicationController:
		return reconcileReplicationController(now, o, owned.Pods)
	case *appsv1.StatefulSet:
		return reconcileStatefulSet(now, o, owned)
	case *appsv1.DaemonSet:
		return reconcileDaemonSet(now, o, owned.Pods)
	case *batchv1.Job:
		return reconcileJob(now, o, owned.Pods)
	case *batchv1.CronJob:
		return reconcileCronJob(now, o, owned.Jobs)
	}
	return &Plan{Object: o}
}
