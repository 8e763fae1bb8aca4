// Package controller decides what becomes of the objects that make other objects: Deployments make ReplicaSets, those, ReplicationControllers, StatefulSets, DaemonSets and
// Jobs make Pods, CronJobs make Jobs. It has no clock and does nothing: for an object, what it owns and the time it returns a Plan.
//
//	plan := controller.Reconcile(now, object, owned)
//	plan.Actions   create, delete and update these objects, tell these events
//	plan.Object    the object with its present status
//	plan.WakeAt    ask again then, even if nothing changes
//
// An *owned* object is one whose controller reference names the object; a Deployment is given the Pods of its ReplicaSets as well. Decisions are made of
// what is there (levels), not of what happened (edges): the node asks again after each change, and an action that was not carried out is simply
// asked for again. So a plan must say nothing to do when its actions are done, and the node must see its own actions at once.
//
// Endpoints and EndpointSlices are the same for Services: where their Pods are, from the Service and all Pods.
//
// What each kind means is what the controllers of Kubernetes do (kubernetes/pkg/controller); reasons, messages and names are theirs. Where they
// count on things of a cluster we do less: one node, so a DaemonSet is one Pod; no ControllerRevisions, so of StatefulSets and DaemonSets there is no
// history and a partition keeps Pods as they are but does not make new ones of an old template; Jobs count their Pods without finalizers,
// so one that somebody deletes after its end may be made again.
package controller
