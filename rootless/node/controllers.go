package node

import (
	"fmt"
	"reflect"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/peapod/peapod/rootless/controller"
	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/lifecycle"
)

// control is the loop of the controllers: after each change of any object, and when a plan says so, it looks at all workloads and does what package
// controller plans for them, then removes what has lost its owner.
func (n *Node) control() {
	defer n.loops.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	managed := true // in the last pass: the one after that sees that nothing is left
	for {
		changed := n.registry.next()
		before := managed
		managed = n.registry.isManaged()
		var wake time.Time
		if before || managed {
			wake = n.reconcile(time.Now())
		}
		if !wake.IsZero() {
			timer.Reset(max(time.Until(wake), 0))
		} else {
			timer.Stop()
		}
		select {
		case <-changed:
		case <-timer.C:
		case <-n.stopping:
			return
		}
	}
}

// reconcile makes one pass over all workloads and returns when to make the next even if nothing changes. No user's change comes between a plan and
// its actions.
func (n *Node) reconcile(now time.Time) (wake time.Time) {
	n.applying.Lock()
	defer n.applying.Unlock()
	there := n.observe()
	if n.emptyNamespaces(there) {
		there = n.observe()
	}
	for _, kind := range controller.Kinds {
		for _, o := range there.objects[kind] {
			if o.GetDeletionTimestamp() != nil {
				continue
			}
			plan := controller.Reconcile(now, o, there.ownedBy(o))
			if !plan.WakeAt.IsZero() && (wake.IsZero() || plan.WakeAt.Before(wake)) {
				wake = plan.WakeAt
			}
			if n.carryOut(o, plan) {
				there = n.observe()
			}
		}
	}
	if retry := n.connectServices(now, there); !retry.IsZero() && (wake.IsZero() || retry.Before(wake)) {
		wake = retry
	}
	n.collect(there)
	return wake
}

// carryOut does what a plan says and tells whether it had to do anything but save a status. What fails is told in an event and planned again.
func (n *Node) carryOut(o kube.Object, plan *controller.Plan) (acted bool) {
	if err := n.registry.setObjectStatus(plan.Object); err != nil {
		n.log.Error("save the status", "object", keyOf(o), "error", err)
	}
	for _, a := range plan.Actions {
		acted = true
		if err := n.do(o, a); err != nil && !apierrors.IsNotFound(err) {
			n.log.Error("carry out a plan", "object", keyOf(o), "action", fmt.Sprintf("%T", a), "error", err)
			return acted
		}
	}
	return acted
}

func (n *Node) do(o kube.Object, a controller.Action) error {
	tell := func(reason, message, name string) {
		if message != "" {
			n.events.record(o, lifecycle.Emit{Type: corev1.EventTypeNormal, Reason: reason, Message: fmt.Sprintf(message, name)})
		}
	}
	switch a := a.(type) {
	case controller.Create:
		made := clone(a.Object)
		n.complete(made)
		if _, err := n.create(made, false); err != nil {
			if apierrors.IsAlreadyExists(err) {
				return nil // somebody else's of that name: it is in the way until it is gone
			}
			n.events.record(o, lifecycle.Emit{Type: corev1.EventTypeWarning, Reason: "FailedCreate", Message: "Error creating: " + err.Error()})
			return err
		}
		tell("SuccessfulCreate", a.Message, made.GetName())
	case controller.Delete:
		if _, err := n.remove(a.Object, metav1.DeleteOptions{}); err != nil {
			return err
		}
		tell("SuccessfulDelete", a.Message, a.Object.GetName())
	case controller.Update:
		_, err := n.registry.update(kube.KindOf(a.Object), a.Object.GetNamespace(), a.Object.GetName(), func(present kube.Object) {
			kube.KindOf(present).Adopt(present, a.Object)
		})
		return err
	case controller.Emit:
		n.events.record(o, lifecycle.Emit{Type: a.Type, Reason: a.Reason, Message: a.Message})
	}
	return nil
}

// complete gives a new object its defaults and, if it wants one, a name like app-x7k2f.
func (n *Node) complete(o kube.Object) {
	kind := kube.KindOf(o)
	kind.Default(o)
	if o.GetName() != "" || o.GetGenerateName() == "" {
		return
	}
	for {
		o.SetName(kube.GenerateName(o.GetGenerateName()))
		if _, err := n.registry.get(kind, o.GetNamespace(), o.GetName()); err != nil {
			return
		}
	}
}

// observed is all there is, by kind and by owner.
type observed struct {
	objects map[*kube.Kind][]kube.Object
	uids    map[types.UID]kube.Object
	owned   map[types.UID][]kube.Object // by controller
	claims  map[string]map[string]bool  // by namespace
}

func (n *Node) observe() *observed {
	there := &observed{
		objects: map[*kube.Kind][]kube.Object{}, uids: map[types.UID]kube.Object{}, owned: map[types.UID][]kube.Object{},
		claims: map[string]map[string]bool{},
	}
	for _, kind := range kube.Kinds {
		there.objects[kind], _ = n.registry.list(kind, "")
		for _, o := range there.objects[kind] {
			there.uids[o.GetUID()] = o
			if owner := metav1.GetControllerOfNoCopy(o); owner != nil {
				there.owned[owner.UID] = append(there.owned[owner.UID], o)
			}
			if kind == kube.Claims {
				if there.claims[o.GetNamespace()] == nil {
					there.claims[o.GetNamespace()] = map[string]bool{}
				}
				there.claims[o.GetNamespace()][o.GetName()] = true
			}
		}
	}
	return there
}

// ownedBy are the objects that one owns, as its controller wants them.
func (t *observed) ownedBy(o kube.Object) controller.Owned {
	owned := controller.Owned{Claims: t.claims[o.GetNamespace()]}
	for _, child := range t.owned[o.GetUID()] {
		switch child := child.(type) {
		case *corev1.Pod:
			owned.Pods = append(owned.Pods, child)
		case *batchv1.Job:
			owned.Jobs = append(owned.Jobs, child)
		case *appsv1.ReplicaSet:
			if child.DeletionTimestamp == nil {
				owned.ReplicaSets = append(owned.ReplicaSets, child)
			}
			owned.Pods = append(owned.Pods, t.ownedBy(child).Pods...)
		}
	}
	return owned
}

// setObjectStatus publishes the status of an object that is no Pod, if it differs from the present one.
func (r *registry) setObjectStatus(o kube.Object) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, err := r.find(kube.KindOf(o), o.GetNamespace(), o.GetName())
	if err != nil || old.GetUID() != o.GetUID() || equality.Semantic.DeepEqual(status(old).Interface(), status(o).Interface()) {
		return nil
	}
	next := clone(old)
	status(next).Set(status(o))
	if err := r.db.SaveStatus(next); err != nil {
		return err
	}
	r.put(watch.Modified, next)
	return nil
}

// status is an object's status; every workload has one.
func status(o kube.Object) reflect.Value { return reflect.ValueOf(o).Elem().FieldByName("Status") }
