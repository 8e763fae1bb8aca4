// Package oci is the command line of an OCI runtime on top of rootless/container: what containerd, podman and the validation
// programs of the specification call, for an ordinary user.
//
// # Words
//
//   - A bundle is a folder with config.json and, where that says, a root file system (runtime-spec, bundle.md).
//   - A record is what is kept of a container between two calls: a folder named by its id below the runtime's root.
//   - The init is the container's first process. Nobody watches over it: when create has returned it belongs to whoever reaps
//     orphans, which is the caller if it made itself a subreaper.
//
// # One container
//
//	create   config.json ──Check──▶ a container.CompileBundle Plan, started with the caller's standard streams
//	           init: unshare(user) ─ tells its pid ── create: newuidmap, newgidmap ── goes on
//	                 all mounts    ─ tells it      ── create: prestart and createRuntime hooks ── goes on
//	                 pivot_root    ─ changes its report pipe for the FIFO "report", reads from the FIFO "start"
//	         create sees the end of the first report pipe, writes the record, returns
//	start    opens "report", writes a byte to "start"
//	           init: privileges, seccomp, execve: the end of "report"; or it fails, and says there why
//	         removes "start", poststart hooks
//	kill     a signal to the init, by a pidfd
//	delete   removes the record of a container that has stopped, poststop hooks
//
// The init holds both FIFOs by descriptors from the beginning, so after pivot_root no path is needed. The state is not
// stored but found: stopped if the process is gone, created if "start" is there, else running.
//
// run does it all in one, without FIFOs, and waits. exec joins the init's namespaces.
//
// # The user namespace
//
// With a new one in the specification, an ordinary user runs this. Without, the caller must be root of a user namespace already,
// as below unshare --map-root-user --map-auto, or in the one of peapod's node. Real root is turned away: what keeps a container
// from devices of the host is its user namespace alone.
//
// # What is refused and what does nothing
//
// Check refuses by name all that cannot be honoured, except for these, which do nothing: device rules of cgroups (a user namespace
// can make no device, and those of the host are given one by one), cgroupsPath (the container stays in the caller's cgroup),
// uid, gid and mode of a device (it is the host's file), seccomp's TSYNC, a file system's options on a bind mount,
// ambient capabilities that are not inheritable.
//
// Hooks that run inside (createContainer, startContainer) are refused: the one would be a program of the host among the container's
// namespaces with the runtime's privileges, the other a program of the image with them.
//
// # What is not promised
//
// Without a pid namespace of its own, a container's other processes outlive its init. Limits of cgroups are not set.
package oci
