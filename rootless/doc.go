// Package rootless is the folder of the packages that run Pods as an ordinary user. How each works is in its own comment; this one is about
// what they share: whom they trust, and what keeps the others apart. U, M and P are the namespaces of packages userns and sandbox.
//
// # Who is trusted with what
//
//	user           with everything that is his: a manifest is his word, and peapod does nothing for him that he could not do himself
//	node           it is the user: root of U, in the host's network and in M, where the host's files are
//	holder, pause  code of ours, of 200 bytes, that reads and answers nothing. A pause is in M, where the user's files are, and keeps descriptors
//	               for the node: to a container that has it in its pid namespace it would be a way out
//	interpreter    code of ours, that takes a process from the node into a container: for a moment it is in both
//	image          with nothing. The node reads its manifest, layers, passwd and group as hostile input, and mounts below its folders
//	container root with its Pod: user namespace P, network, ipc and host name of it; its own files, mounts and processes. It has the user's own
//	               id outside, so walls, and not file modes, are what keeps it from his files
//	container user with what its numbers may in the container. Outside it is a subordinate id, which owns nothing but the like
//	other Pods     with what the network lets them reach, and with nothing else of a Pod
//	other users    of the machine: with nothing. All folders of ours are in three that only the user enters (0700), sockets too
//	registry       with the names in it: what is pulled by digest is what was asked for, by tag it is what the registry says. Layers are verified
//	               while they are read
//	network        with nothing: no node or Pod listens on the host but for published ports; the host's loopback is closed to Pods
//
// # What stands between
//
// Each wall is one for a process that has climbed those before it. The name after it is where it is built.
//
//  1. The filter of system calls (seccomp), the masked and read-only paths (container/proc.go), the capabilities and no_new_privs
//     (container/process.go). They make the kernel smaller for an ordinary container. A Pod may ask to be without them: nothing below relies on them.
//  2. The container's mount namespace and its root: it is made of descriptors, no path of the image is walked by name (container/resolve.go),
//     and nothing of the old root is left in it (pivot). The pid, network, ipc, uts and cgroup namespaces: what has no name in them cannot be
//     reached by a call.
//  3. P, the user namespace of the Pod (sandbox): all capabilities of a container are capabilities in it, so it has none over a mount, a
//     network or a process of another Pod, of the store or of the host. It is nested in U, with U's ids: hostUsers false asks for this wall, and for ids
//     that no other Pod has, which an ordinary user cannot give.
//  4. What comes in does not bring anything: the interpreter is not dumpable on its way (hide), is a sealed memfd that is nobody's file
//     (plan/program.go), and closes what it was given (plan.CloseOnExec). Devices, terminals and masks are checked to be what they should. It
//     can be stopped by a signal from inside; then its caller waits, and kills it after two minutes.
//  5. U and the kernel's own rule that a user can give away no more than he has: peapod has no setuid program. newuidmap(1) checks his ranges.
//
// # What an escape would get
//
//	through the filter or the masks   nothing yet: more of the kernel to attack, as root of P
//	out of the mount namespace        as container root the files of the user, as he has them: this is the wall that matters most.
//	                                  As container user what everybody on the machine may read
//	out of P, into U                  all Pods, their logs and Secrets, the image store, files of all subordinate ids
//	into the node                     the same, and the user's network, loopback included
//	out of U                          the user: never root of the machine, nor another user's files
//
// With a single id all users of all containers are the user himself outside: rules that hold for container root here hold for each of them.
//
// # Volumes
//
// What is in a volume is its containers' word: links to anywhere, folders that become links while one looks, files of any size and mode. The node
// never follows a path in one by name: a subPath is resolved beneath the volume by one openat2(2), a place to mount on is resolved in the container's
// root by another, and both are used by the descriptor that came of it (volume/open.go, container/resolve.go); files of projections are
// written, groups changed and folders removed below a descriptor. Volumes of one Pod are in a folder that no other Pod is given; volumes of
// files are mounted read-only and, as Secrets may be among them, live in a tmpfs. A host path is the user's gift: whoever may write to it
// has the user's own files there, and who may write to the home folder is the user. A claim is shared by all Pods that name it.
//
// # What is not defended
//
//   - The kernel against its own faults. Whoever runs images that he fears should give them RuntimeDefault, a user, no_new_privs and no capabilities.
//   - The user against himself: host paths, the host's namespaces and devices that a manifest asks for are given. A container with a host path
//     that it may write to is the user.
//   - What hostNetwork opens: whatever listens on the host's loopback, and abstract unix sockets, without asking who connects. The Pod has no
//     capability there: it neither changes the network nor reads what passes.
//   - What hostPID and hostIPC open. Container root has the user's id, and so may send signals to all processes of the user, the node among them,
//     and see their command lines; a container user may so with the processes of other Pods that have its number. Neither reads their memory, files or
//     environment, nor traces them: that takes capabilities in their user namespaces. Shared memory and queues of the host are open by their modes.
//     A program that peapod starts and has not noted when it dies is found by its pid namespace: one in the host's is left.
//   - Shared amounts. The disk under upper directories, emptyDirs and logs belongs to all (who exceeds a sizeLimit or his ephemeral-storage is
//     evicted, but only seconds later), as do the user's processes (ulimit -u),
//     pending signals, inotify watches, pages in pipes and kernel keys, and the machine's processors and memory where no cgroup was delegated. A
//     container that uses them up stops others of the same user; /dev/shm, /dev, the node's memory and FIFOs have bounds of their own. Processes
//     have one if the node is given it (--pod-max-pids): of the Pod where its cgroup counts them, else of each process namespace (since Linux
//     6.14), which containers that may write to /proc/sys can lift, and of which those in the host's have none.
//   - The user's keys in the kernel (keyrings(7)), against container root without a filter: keyctl(2) asks for ids, which are his.
//   - Names. The mount table inside tells paths of the host, the user id map his number.
//   - A cgroup of a container that may mount and has no filter: where the hierarchy is not mounted nsdelegate it can lift its own limits.
//   - One Pod against another on the bridge: who has CAP_NET_RAW, as by default, can answer ARP and neighbour discovery in another's name.
//   - Containers of one Pod against each other as far as they share network, ipc, /dev/shm, volumes and the files in /etc.
//   - Time: what can be learned by measuring shared caches and processors.
//
// # How it is tested
//
// tests/e2e/testdata/hostile has an image or a Pod for each attack, and says in its first lines which line stops it; container, plan and
// image/unpack have the same for what needs no Pod.
package rootless
