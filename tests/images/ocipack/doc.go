// Command ocipack makes the images that the tests, the demo and the benchmarks run: real programs from the
// distribution's packages, as OCI image layouts, without a container tool and without root.
//
//	ocipack packages DIR…                  print the names of the packages that the images described in DIR… need
//	ocipack pack -debs D -o OUT DIR…       make OUT/NAME for each DIR, reading the packages from D/PACKAGE_*.deb
//	ocipack push -to HOST:PORT LAYOUT…     copy layouts into a registry, as HOST:PORT/library/NAME:TAG
//	ocipack sizes LAYOUT…                  print how large the layers of layouts are
//
// DIR/image.json describes an image: its name, its configuration, and its layers from the lowest up. A layer is made of
// packages (the files of a .deb with the owners and modes recorded in it), then of a directory of files beside
// image.json, then of the few things that neither can say: directories, links, owners, whiteouts. An image may be made from
// another ("from"), as by a Dockerfile, and be compressed with zstd instead of gzip ("compression").
//
// Layers are written as tar streams directly, so that owners need not exist on the machine and no privilege is needed.
// Entries are sorted, and times are those of the packages: the same packages give the same digests.
//
// Not promised: that packages are configured. Their scripts do not run; what an image needs of it is in image.json.
package main
