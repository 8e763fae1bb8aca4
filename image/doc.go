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
// In the user namespace that maps the user to 0 and the subordinate ids after it: layers hold files of many owners, and
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
// The policy (policy.json) is checked before anything is written. Layers arrive compressed in the store's scratch
// directory, are unpacked into the store, and the image's record and name are written last: until then Get does not find
// it. A pull that fails, or whose context ends, removes its scratch files; layers that were complete by then stay for the
// next attempt, incomplete ones are removed by whoever locks the store next, and scratch files of a killed process by the
// next Open. Calls of Pull for one reference that overlap share one transfer.
//
// # Not promised
//
// Nothing here counts who uses a layer. An image may be removed, by Remove or by podman, while its directories are
// mounted; the mount then loses files. Whoever runs containers asks before it removes.
package image
