// Package unpack puts one image layer, an uncompressed tar stream, into a directory, and notes all that the storage library
// records of a layer. The directory is what that library would make of it in a user namespace: names, owners, modes, times,
// extended attributes and links, whiteouts in overlay's form.
//
// # Words
//
//   - The root is the directory that the layer goes to. Names in the tar start there, absolute or not, and symbolic links
//     are followed as in a chroot into it.
//   - A whiteout says that something of the layers below is gone: an entry .wh.NAME becomes a character device NAME 0:0.
//     The entry .wh..wh..opq makes its directory opaque: user.overlay.opaque=y hides all below it.
//   - The tar-split is what is needed beside the directory to make the tar again, to the byte; see tarsplit.go.
//
// # One use
//
//	root, _ := os.Open(dir)
//	layer, err := unpack.Unpack(root, inflated, unpack.Options{Limit: 64 << 30, Scratch: scratch})
//	var e *unpack.EntryError
//	if errors.As(err, &e) {
//		// e.Name is the entry at fault; dir has to go
//	}
//	defer layer.TarSplit.Close()
//	if layer.DiffID != config.RootFS.DiffIDs[n] {
//		// not the layer that the image names; dir has to go
//	}
//
// # How it goes
//
// One goroutine reads the stream in blocks and hashes it; another parses and writes (stream.go). archive/tar reads the
// headers, through a recorder that puts what it reads into the tar-split. Contents go from the block to the file at once.
//
// # Nothing outside of the root
//
// A layer is written by strangers. So no name is given to the kernel that it could resolve to somewhere else:
//
//   - names with ".." that leave the root are refused (names.go);
//   - directories are opened from the root's descriptor by openat2 without any symbolic link; where there is one, its target
//     is read and followed here, component by component, never above the root (dirs.go);
//   - the last component is given to calls that do not follow it, relative to its directory's descriptor.
//
// Nobody else changes the root meanwhile; if someone did, the kernel would still keep to those rules.
//
// Limits bound time and memory: of the stream's bytes, of a name's length without links (PATH_MAX), of steps through links.
// Memory grows with a layer only by some 20 bytes for an entry and the names of directories.
//
// # Not promised
//
// A layer is not unpacked atomically: after an error the root holds a part. If an entry takes the place of an earlier one
// with content, as the tar format allows, the tar cannot be made again: Layer.Replaced says so. Device nodes are left out,
// as a user namespace cannot make them. Needed are Linux 5.8 (openat2, utimensat of a descriptor) and /proc.
package unpack
