// Package oci holds peapod's runtime against other people's: the validation programs of the OCI, and crun.
//
// # The oracle
//
// The same config.json, as the node writes it for a container of a Pod, is run three times: by crun, by `peapod oci run`, and in this
// process by rootless/container, as the node does it. The program inside (probe) prints what it sees: mounts, identity, limits,
// devices, environment, descriptors, namespaces. Each field must be the same, but for those in the table of differences, each with
// its reason; a difference that nowhere occurs any more is an error too. All three run in one user namespace, beside one pause.
//
// crun refuses hosts with both versions of cgroups, so the tests hide /sys/fs/cgroup in their mount namespace: no runtime sees cgroups.
//
// # The validation programs
//
// They belong to github.com/opencontainers/runtime-tools, of which go.mod has a version, and are built from there. Each prints TAP
// (testanything.org). They want to be root and so run as root of a user namespace, calling `peapod oci` by way of a script. The table
// in validation.go lists every one of them: what it must print, or why it is left out.
//
// The script run beside this file runs all of it.
package oci
