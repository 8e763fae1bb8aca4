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
// # Many Pods
//
// With the first argument "many" it measures what many Pods cost. All are of one busybox container.
//
//   - together: a file of 30 Pods is applied, by each engine in turn. The time is that at which the last container's program has been
//     executed.
//   - one by one: Pods are applied up to the 100th, each as in the rounds above, by peapod only: what the last ones take beside
//     the first ones.
//   - idle: the node's processor time, and that of what it starts, while 100 Pods run that have a readiness probe each, with the
//     default period of 10 s. The probe's own work in the container is the Pod's.
//
// # Pulls
//
// With the first argument "pull", started by the script of that name, it compares ways to get an image from the registry
// into an empty store. The images are those of tests/images/big. In each round every one has its turn, beginning with
// another one each time, between a sync and the removal of what it wrote, neither of which is timed:
//
//   - peapod: `peapod pull` with a node that runs already and has opened its empty store. Wall time is the command's, from
//     before its start to its end. CPU time is that of the command, of the node meanwhile, and of the node's children. Peak
//     memory is the node's (VmHWM, reset before), with the pages of the program itself, but without children.
//   - peapod, no node yet: the same, but the command has to start the node first, which then counts from its beginning.
//   - podman: `podman pull` with storage on the same file system, its driver overlay. Its pause process is there already.
//     CPU time is that of all its processes; peak memory is that of the largest one.
//   - curl | gzip | tar: all layers at a time, each into a directory of its own, in a user namespace so that owners are
//     set. The same with igzip where it is installed; with zstd for layers compressed so. These check and record nothing.
//
// On ext4, what is written lies in the page cache unless the program itself syncs it; the disk's speed is not measured.
//
// # Network
//
// With the first argument "net", started by the script of that name, it compares the ways from a network namespace to a service of the host at an
// address that is not loopback: peapod's netstack, served by a process of its own as a node would; pasta by its tap device, and by its
// splicing of loopback connections; slirp4netns. All are in one network namespace that plays the host. In each round every way has its turn,
// beginning with another one each time:
//
//   - up and down: iperf3 from inside to the host and back, one stream and four. CPU time is that of the process that carries the
//     bytes, per 10^9 bytes; what the kernel does in interrupts counts for whoever is interrupted.
//   - connects: connections one after the other, each with one byte there and back. Round trip: of one byte on a connection that is there.
//   - idle: anonymous memory of that process without connections, and with 10,000 (-idle) that have carried one byte each.
//
// Numbers of one run can be compared with each other, never with those of another machine, or of a busy one.
package main
