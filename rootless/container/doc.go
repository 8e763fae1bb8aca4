// Package container runs one container of a Pod: its OCI specification, its root file system, its first process, and
// commands executed beside that.
//
// # From a Pod's container to a process
//
//	Spec(config)             the OCI runtime specification, standard and kept as config.json: any OCI runtime could take it from here
//	Compile(spec)            a plan.Plan: the same thing as a list of system calls. Pure, tested against golden files.
//	Start                    mounts the image's layers with a fresh upper directory, detached; opens what the Plan inherits;
//	                         runs the Plan; notes pid and start time
//	Exec                     compiles and runs a shorter Plan: join the first process's namespaces, drop privileges, execve
//	Wait                     sleeps on the pidfd, then says how the process ended
//
// Another OCI runtime can do all of this in the package's place (handler.go): Start hands the bundle to `crun run`, Exec to `crun exec`.
//
// # The order in a Plan, and why
//
//  1. Not dumpable: nothing in the Pod can read or trace the interpreter on its way (CVE-2019-5736).
//  2. Join the pause's user, net, ipc and uts namespaces: mqueue and sysfs show the namespace that their mounter is in.
//  3. clone into new mount, pid and cgroup namespaces, which so belong to the Pod's user namespace.
//  4. Attach the root file system and mount onto descriptors below it. No path of the image is ever walked by name:
//     openat2(2) with RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS finds each place, move_mount(2) is given the descriptor.
//     /proc, /sys and /dev must be real directories. What is mounted comes from fsopen(2), from the host's own /dev, or was handed over.
//  5. Sysctls are written through the fresh procfs, masks and read-only paths are put on it by its descriptor
//     (CVE-2025-31133, CVE-2025-52881). Nothing under /proc is opened later.
//  6. pivot_root, leave the old root, enter the working directory and check that it is inside (CVE-2024-21626).
//  7. Bounding set, groups, gid, uid, capabilities, ambient set, no_new_privs, seccomp, close-on-exec, execve. Without
//     no_new_privs the kernel wants CAP_SYS_ADMIN for seccomp(2), so then it comes before the privileges go.
//
// # Volumes
//
// A volume, or the part of it that a container mounts, comes as a detached mount, whose path was walked by whoever opened it (Sources.Volumes); the
// Plan gives it its attributes and its propagation, and moves it onto a place below the root. What is further down is mounted later, so mounts in
// mounts work in any order; what is in /dev or /sys is mounted when those are finished; nothing is mounted in /proc, whose files must be the kernel's.
//
// An ephemeral container joins the process namespace of another container, which is known by a pidfd as the pause is (Sources.Target). The kernel ends it with
// that one's first process; what it leaves behind when it ends by itself is found by its root (remains.go).
//
// # Streams
//
// stdout and stderr are FIFOs that the container holds open itself. stdin is one that it can only read, so it ends when the node lets
// go of the writing end. A container with a terminal gets a devpts that the node has made; its first terminal is the container's
// /dev/console and controlling terminal, and the node has the master, from which output goes to the FIFO of stdout.
// What of these must not close when the node dies, and a pidfd beside, is handed to Sources.Keep before the container runs.
//
// # What lives where
//
// Run/containers/<id> holds config.json, the FIFOs, and state.json, from which a later node adopts the
// container. Data/containers/<id> holds overlay's upper and work directories. Remove deletes both.
//
// # What is not promised
//
// The upper directory is mounted volatile: after a crash of the machine what a container wrote there may be broken, and a
// container never starts twice on the same one.
package container
