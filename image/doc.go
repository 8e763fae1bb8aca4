// Package image keeps the images that containers are made of: it pulls them from registries, finds them by name and
// says which directories make up their root file system.
//
// # Words
//
//   - A reference is what a user writes: "nginx", "nginx:1.21", "registry.example/team/app@sha256:…". A reference without
//     a registry is short.
//   - A candidate is a full name (registry, repository, tag or digest) that a short reference may stand for.
//     registries.conf decides: an alias stands for exactly one; otherwise each unqualified-search registry gives one;
//     where neither is configured it is docker.io, as with Docker and the kubelet.
//   - An image is a configuration and a chain of layers, known by its id (the configuration's digest). Names move
//     between images, an id always means the same content.
//   - A layer is a directory of the overlay kind: what it deletes is a character device 0:0, what it hides is a directory
//     with the user.overlay.opaque attribute. A chain of them is a root file system once it is mounted.
//   - The store is the directory that holds images and layers. It is the very one that podman, buildah and skopeo use
//     for this user, so an image that they pulled or built is here without copying, and the other way round.
//
// # One use
//
//	image.Init()                                    // first in main: the store unpacks layers in child processes
//	s, _ := image.Open(image.Options{RootlessUID: 1000, RootlessGID: 1000})
//	i, err := s.Get("nginx:1.21")
//	if errors.Is(err, image.ErrNotFound) {
//		i, err = s.Pull(ctx, "nginx:1.21", image.PullOptions{})
//	}
//	// mount -t overlay -o userxattr,lowerdir=strings.Join(i.Lowers, ":"),upperdir=…,workdir=… ; run i.Config.Cmd
//
// # Where it runs
//
// In the user namespace that maps the user to 0 and the subordinate ids, if there are any, after it: layers hold files of many owners, and
// only there may they be created. The store's library would like to enter such a namespace by itself, by C code that
// runs before Go does; a static binary has none. So whoever calls Open is there already, and Open says so in the
// environment (_CONTAINERS_USERNS_CONFIGURED, _CONTAINERS_ROOTLESS_UID, _CONTAINERS_ROOTLESS_GID), which is also how
// podman tells it.
//
// A store whose layers the kernel's overlay cannot read is left alone: podman's vfs driver keeps plain copies, and with
// fuse-overlayfs deletions are files called .wh.NAME. Images are then kept in $XDG_DATA_HOME/peapod/storage.
//
// # A pull
//
//	manifest ─ policy.json ─ configuration ─┬─ layer 1: download │ verify │ inflate │ unpack ─┐
//	                                        ├─ layer 2: download │ verify │ inflate │ unpack ─┼─ into the store, in order ─ record ─ name
//	                                        └─ …                                              ┘
//
// The policy is asked before anything else is believed or written. Then all layers come at once, each unpacked while it
// arrives into a directory of its own beside the store's layers (package unpack; the storage library calls it staging). What
// it was announced to be is compared at its end: the blob's digest and size with the manifest, the digest of what it unpacks to
// with the configuration. A layer enters the store on top of its parent, the image's record and name are written last: until
// then Get does not find it.
//
// What has come is not fetched again: layers that are there are left out, two pulls that need the same layer share it,
// overlapping calls of Pull for one reference are one. Errors that may pass are tried again after a wait, a broken connection is
// taken up where it broke.
//
// A pull that fails, or whose context ends, removes its directories; layers that were complete by then stay for the next
// attempt, for a day. What a killed process left is removed by the next Open, or by whoever locks the store next.
//
// A few images go another way, by the library alone (copy.Image), one layer after the other: encrypted ones, those with a
// manifest of schema 1, and all in a store kept as composefs. Where policy.json asks for signatures, the library does what comes after
// the layers, for it knows how to keep signatures of every kind.
//
// # A single id
//
// A user without subordinate ids has a namespace of one id. Files of layers then all belong to it. Who they would have belonged
// to is not lost: the record of a layer (tar-split) has it, so saving and pushing give back the layer as it was.
//
// # Not promised
//
// Nothing here counts who uses a layer. An image may be removed, by Remove or by podman, while its directories are
// mounted; the mount then loses files. Whoever runs containers stands guard over Remove and Prune (Guard).
package image
