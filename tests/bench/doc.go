// Program bench compares peapod with podman on one machine in one run, and prints what it saw. It judges nothing: a slow
// machine makes no test fail.
//
// It is started by the script run beside it, which prepares a registry, a user and a file system. Both engines get a
// home and a runtime directory of their own, pull the same two images and are warmed up by one Pod. Then come the rounds. In
// each, peapod and podman do the same in turn, peapod first in one round and last in the next:
//
//   - apply: the Pod of the manifest is started. A watcher looks through /proc for the workloads' processes; "running" is
//     when the last container's program has been executed. A prober, a process that was put into the engine's user
//     namespace beforehand, joins the Pod's network namespace and asks nginx for a page until it gets one: "answers".
//     Neither costs an engine anything but the processor time that both lose alike.
//   - exec: the time of the whole command, which runs true in the busybox container.
//   - delete: the time of the whole command. Both processes of the Pod end at once when they are told to.
//
// Last, Pods are added up to each number asked for, and the memory of everything that is not a workload is added up: the
// proportional set size, so that a page shared by n processes counts 1/n in each. What the kernel spends is not in it.
//
// Numbers of one run can be compared with each other, never with those of another machine, or of a busy one.
package main
