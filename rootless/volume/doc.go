// Package volume makes the volumes of a Pod and finds the parts of them that containers are given.
//
// # Words
//
//   - A volume's place is the path in M where it is, whatever it is made of. Containers see it by mounts that are copies of what is there.
//   - A projection is what a volume of an object (ConfigMap, Secret, fields of the Pod) consists of: files by their paths.
//   - A part is what a container mounts: the volume, or what a subPath leads to in it. It is a descriptor, never a path, from the moment at
//     which it was found.
//
// # Where volumes are
//
//	emptyDir                  Data/pods/<uid>/<name>           on the disk: it survives a reboot, as the Pod does
//	emptyDir, medium Memory   Run/pods/<uid>/volumes/<name>    a tmpfs of its own, which bounds its size
//	configMap, secret,
//	downwardAPI, projected    Run/pods/<uid>/volumes/<name>    a folder in the tmpfs that is mounted on volumes: nothing of a Secret is on a disk
//	image                     Run/pods/<uid>/volumes/<name>    the image's layers, read-only
//	hostPath                  where the user says
//	persistentVolumeClaim,
//	ephemeral                 Data/claims/<namespace>/<name>   kept when the Pod goes, unless the claim was made for it
//
// Mounts are made in M, which the holder keeps, so they outlive the node. All of a Pod's go with one: that on volumes.
//
// # One use
//
//	EmptyDir, Memory, CheckHostPath…          the place is made or checked; done again, nothing changes
//	files, err := Project(source, sources)    pure: what the volume shows
//	Write(place, files, …)                    the files appear at once: see there
//	part, err := Open(place, subPath)         beneath the place, whatever containers do to it meanwhile
//	part.Tree()                               a detached mount for the container's Plan
//
// # Who is trusted
//
// What is in a volume belongs to its containers, who may change it at any moment: symbolic links to anywhere, folders that become links
// between two looks. So a path in a volume is resolved by the kernel in one call that does not leave the volume (openat2(2), RESOLVE_BENEATH),
// and what was found is used by its descriptor. Files are written, and groups changed, below a descriptor too (os.Root).
//
// # Not promised
//
// The size of an emptyDir on a disk is not bounded: it is looked at now and then (Usage). A part that was found by subPath does not follow a later change of a projection, as in a
// cluster. Mounts that a container makes in a volume with mountPropagation Bidirectional are seen by the containers of its Pod, and in M, but
// not by the host: M is a slave.
package volume
