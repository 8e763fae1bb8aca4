// Package slirp runs one of the programs slirp4netns and pasta beside a network namespace: the program makes a tap device there and carries
// what is sent to it, by sockets of the host.
//
// The words:
//
//   - A [Program] is one of the two. It says what it needs ([Program.Check]) and with which addresses it has to be spoken to ([Program.Network]).
//   - A [Runner] keeps one running, until it is closed: a program that ends by itself is started again.
//
// The programs and what they are told are those of RootlessKit (pkg/network/slirp4netns, pkg/network/pasta), which also looks at what an installed
// slirp4netns can do.
// Its drivers themselves are not usable here. They are made for a parent outside of the user namespace that owns the network namespace, and join
// that one first; this process is in it, and nobody can join his own (setns(2), EINVAL). Nor do they tell that the program has
// ended, and that of pasta leaves it running in the background.
//
// # One program
//
// A program gets the namespace as its standard input and opens it as /proc/self/fd/0: the path of another process's namespace is closed to pasta, which
// drops its capabilities first (ptrace(2), PTRACE_MODE_READ_FSCREDS), and newer ones close all descriptors but the first three. The device lives as long as
// the program that made it: nothing of one that is gone is left in the namespace.
//
// The program ends with this process, however that ends: the kernel kills it with the thread that started it (prctl(2), PR_SET_PDEATHSIG). So that thread
// does nothing else, and waits.
//
// # What is closed
//
// Both are told to keep the host's loopback closed and to forward no port. What they do not close by themselves (link-local
// addresses, IPv6 addresses that stand for IPv4 ones, their own network) must not be sent to them.
//
// # What they do not do
//
// Seen with slirp4netns 1.2.0 (libslirp 4.7.0) and the pasta of March 2023, both of Debian 12:
//
//   - Both connect before they answer a SYN. slirp4netns passes on what a destination says in IPv4 (refused, unreachable), in IPv6 only that it refuses: what cannot
//     be reached is silent. That pasta refuses by a RST without ACK, which a connecting kernel ignores: it looks silent, until the program in the
//     Pod gives up.
//   - A reset by the Pod is an ordinary end outside.
//   - That pasta does not pass the end of the other direction on when the Pod has ended its own first; a program that then waits for the end waits forever.
//   - Echo requests: where the host permits ping sockets to the user, and with slirp4netns in IPv4 only.
//   - Datagrams near the largest size do not pass in IPv6 with slirp4netns. That pasta does not tell that a datagram was refused.
//   - pasta takes part of its settings from the host's default route: without one, of some family, it does not start or does not carry that family.
//   - The fixed IPv6 network of slirp4netns is fd00::/64. What is for it must not be sent to the program, even if the host has that network itself.
package slirp
