// Package node is the one process of a user that knows things: it owns every Pod's state, the image store, the network and the
// API. There is one writer, so nothing here is locked between processes.
//
// # From a command to a node
//
//	CLI            Launch: dials the socket; if nobody answers, starts `peapod node` in a session of its own
//	peapod node    Main, outside: takes the lock, finds or makes the holder, and replaces itself (userns.Enter) by
//	peapod node    Main, inside U and M, still in the host's network namespace: opens store, database, hub and runtime, adopts the
//	               Pods that an earlier node left running, listens on the socket, says "ready"
//
// # A Pod
//
// Each Pod has a goroutine, its loop, which alone touches the Pod's facts (lifecycle.Pod). Everything that happens is posted to its
// mailbox as an event: API calls, timers, results of work, ends of processes. The loop takes one event at a time:
//
//	actions := facts.Step(now, event)     pure: what to do now
//	save the facts                        a file in the runtime directory
//	publish the status                    derived from the facts; saved, and sent to watchers
//	perform the actions                   each in a goroutine that posts its result as an event
//	make the probes that are due          workers with timers, of which only news come back as events
//
// # Who owns what
//
//   - the loop: the facts. A new node reads them from Run/pods/<uid>/pod.json.
//   - registry: the API objects as users see them, a log of their changes for watchers, and the database.
//   - control: the loop of the controllers. After each change it looks at all workloads (package controller plans, controllers.go carries out)
//     and deletes what has lost its owner (collect.go). No apply comes between a plan and its actions. Events and plans are not kept: the next node
//     plans anew from the objects.
//   - crew: handles on running processes (pause and containers) of one Pod, for exec, signals and adoption.
//
// # Namespaces
//
// A namespace that nobody has made is made by the first object in it; the default one is always there. The loop of the controllers deletes what is in one that
// is terminating, then it (namespaces.go).
//
// # Services
//
// The loop of the controllers also keeps the Endpoints and EndpointSlices of each Service (package controller says what is in them), and tells the hub which addresses, names and ports of the
// host lead to what is ready (services.go). Addresses and ports are given when a Service is applied, and are stored in it. The loop has nothing to do,
// and does nothing, as long as there are only Pods, and things that they use, that nobody owns.
//
// # Volumes
//
// The loop asks for a Pod's volumes while its sandbox is made and its images are pulled (volumes.go); a container takes what it mounts by a descriptor
// when it starts. One goroutine reads the registry's log of changes (follow.go): when a ConfigMap, a Secret or a Pod's labels change, volumes of files
// are written anew, and Pods that wait for something try again. A claim that is deleted stays until its last Pod is gone (volumeclaims.go).
//
// # The node's death
//
// Containers go on: they are not tied to the node by a parent-death signal, their output waits in FIFOs that they hold open themselves,
// their terminals and inputs are held open by the Pod's pause (sandbox.Keep), which holds their pidfds and the node's ends of the FIFOs too,
// so that neither last words nor exit status are lost,
// and their namespaces hang on pause and holder. The next node loads facts, compares them with the processes that are there
// (adopt.go), posts the difference as events, and goes on.
//
// Not promised: that a hook goes on when the node ends (preStop is run again by the next one, postStart is not); that a command executed by `exec` survives the node, whose streams it writes to; the exit status of a container that ends
// while no node runs, on kernels before 6.15 (it is reported as unknown); that an image which one Pod pulled with its imagePullSecrets is hidden from another
// Pod, as all of them are one user's.
package node
