// Package e2e is the end-to-end suite: scripts a user could type, run by an ordinary user against a real registry.
//
// # Words
//
//   - A script is one file of testdata, in the language of testscript, with the manifests it needs inside.
//   - An instance is what a script talks to: its own home, its own XDG directories, and so its own node, user namespace,
//     hub and image store. Scripts run beside each other and never meet.
//   - The reaper is the parent of all processes of one script: a child subreaper (prctl(2)), as `systemd --user` is. Whatever
//     forks, changes its session or its namespaces still descends from it, so "left running" has an exact meaning.
//
// # One script
//
//	test ─ starts the reaper, which starts the script's own process
//	         script runs; its commands start a node, Pods, containers
//	         leak check: delete all Pods ─ look at the idle node ─ stop it ─ look for processes and files
//	       ─ kills what is still there, returns the script's verdict
//
// # How it is run
//
// tests/run builds everything, starts the registry and runs the compiled suite as an unprivileged user. Without it, the
// tests of this package skip themselves: they need a registry and binaries at known places.
//
// # What is not promised
//
// The leak check sees the idle node from outside (descriptors, mounts, links). It does not look into its memory.
package e2e
