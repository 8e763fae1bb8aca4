package controller

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/peapod/peapod/rootless/kube"
)

var edgeTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// unlabelled is a Deployment whose selector takes Pods without any label.
func unlabelled() *appsv1.Deployment {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default", UID: "d"}}
	d.Spec.Selector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "tier", Operator: metav1.LabelSelectorOpDoesNotExist}}}
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "web", Image: "nginx"}}
	kube.Deployments.Default(d)
	return d
}

func TestDeploymentOfPodsWithoutLabels(t *testing.T) {
	d := unlabelled()
	if errs := kube.Deployments.Validate(d, kube.Features{}); len(errs) > 0 {
		t.Fatal(errs)
	}
	plan := Reconcile(edgeTime, d, Owned{})
	created, ok := plan.Actions[0].(Create)
	if !ok {
		t.Fatalf("the plan begins with %s", plan.Actions[0].action())
	}
	set := created.Object.(*appsv1.ReplicaSet)
	if set.Spec.Template.Labels[appsv1.DefaultDeploymentUniqueLabelKey] == "" || set.Labels[appsv1.DefaultDeploymentUniqueLabelKey] == "" {
		t.Errorf("labels of the set %v and of its Pods %v", set.Labels, set.Spec.Template.Labels)
	}
	if len(d.Spec.Template.Labels) > 0 {
		t.Error("the plan has changed the Deployment")
	}
}

// TestReplicaSetWithoutAnnotations has a user take them all away.
func TestReplicaSetWithoutAnnotations(t *testing.T) {
	d := unlabelled()
	set := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: "web-1", Namespace: "default", UID: "r", OwnerReferences: []metav1.OwnerReference{reference(d)}}}
	set.Spec.Replicas, set.Spec.Template = d.Spec.Replicas, *d.Spec.Template.DeepCopy()
	plan := Reconcile(edgeTime, d, Owned{ReplicaSets: []*appsv1.ReplicaSet{set}})
	for _, a := range plan.Actions {
		if u, ok := a.(Update); ok && u.Object.GetUID() == set.UID && u.Object.GetAnnotations()[Revision] == "1" {
			return
		}
	}
	t.Errorf("the set is not numbered again: %+v", plan.Actions)
}

// TestJobStaysFailed: what made it fail, the restarts of a Pod that runs, is gone with the Pod.
func TestJobStaysFailed(t *testing.T) {
	limit := int32(2)
	j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "sum", Namespace: "default", UID: "j"}}
	j.Spec.BackoffLimit = &limit
	j.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyOnFailure
	kube.Jobs.Default(j)
	pod := podFrom(j, &j.Spec.Template)
	pod.Name, pod.Status.Phase = "sum-1", corev1.PodRunning
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{RestartCount: limit}}

	plan := Reconcile(edgeTime, j, Owned{Pods: []*corev1.Pod{pod}})
	if len(plan.Actions) != 1 || plan.Actions[0].action() != "delete pods/sum-1" {
		t.Fatalf("at the limit: %+v", plan.Actions)
	}
	gone := metav1.NewTime(edgeTime)
	pod.DeletionTimestamp = &gone
	plan = Reconcile(edgeTime, plan.Object, Owned{Pods: []*corev1.Pod{pod}})
	if len(plan.Actions) > 0 {
		t.Fatalf("while its Pod ends: %s", plan.Actions[0].action())
	}
	plan = Reconcile(edgeTime, plan.Object, Owned{})
	if _, finished := Finished(plan.Object.(*batchv1.Job)); !finished || len(plan.Actions) != 1 {
		t.Errorf("when its Pod is gone: %+v, and does %+v", plan.Object.(*batchv1.Job).Status.Conditions, plan.Actions)
	}
}
