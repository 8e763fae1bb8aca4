// Package userns makes the namespaces that one user's Pods live in, and brings processes into them.
//
// # Words
//
//   - U is the user namespace of all of a user's Pods: id 0 is the user, the ids from 1 up are the user's subordinate ids.
//   - M is the mount namespace that goes with it: a slave of the host's, so what is mounted there later appears in M, and nothing
//     that peapod mounts is seen on the host.
//   - The hub is a network namespace owned by U, where the Pods' network meets.
//   - The holder is a pause process in all three. They exist as long as it does, whatever happens to the node.
//
// # One user's first Pod
//
//	Ranges      reads /etc/subuid and /etc/subgid
//	Create      runs a Plan: unshare(user, mount, net) ─ tells its pid ─ waits
//	              newuidmap and newgidmap, which are allowed to, write the maps
//	            ─ becomes root of U ─ makes M a slave ─ execve(pause)
//	Save        notes the holder in the runtime directory
//	Enter       replaces a process by one in U and M: the node. It stays in the host's network namespace.
//
// A later node finds the holder by Load, which checks that the pid still is that process.
//
// The maps must be written by newuidmap(1), which is privileged: the kernel lets a user map one id only, its own (user_namespaces(7)).
// A user without subordinate ids gets just that: U with a single id.
//
// # What is not promised
//
// A holder that somebody kills takes no Pod with it, but its namespaces can no longer be joined, so the next node
// makes new ones and cannot adopt those Pods.
package userns
