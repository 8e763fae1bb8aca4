// Package netstack gives Pods their network without any privilege on the host.
//
// The words:
//
//   - The hub is a network namespace with one bridge. The bridge carries the gateway addresses, one IPv4 and one IPv6.
//   - A Pod has a namespace of its own and one veth into the bridge, with one fixed IPv4 and one fixed IPv6 address. Both
//     come from the hub's two ranges and have the same number in each: the n-th IPv4 address goes with the n-th IPv6 address.
//   - The host is the network namespace of this process. Its ordinary goroutines dial and listen there.
//   - The engine carries what leaves the ranges: it takes flows out of the hub and makes them again as sockets of the host. There
//     are several; [Config].Engine names one, else the first of relay and gvisor is taken that the kernel has all parts for. Package egress is what
//     they share.
//
// One use:
//
//	hub, err := netstack.Open(netstack.Config{Netns: hubNetns})
//	addrs, err := hub.Attach(podNetns, netstack.Endpoint{ID: uid, Name: "demo", Namespace: "default"})
//	conn, err := hub.Dial(ctx, "tcp", netip.AddrPortFrom(addrs.V4, 80).String()) // a probe
//	err = hub.Detach(uid)
//	err = hub.Close()
//
// What travels where: Pod to Pod is switched by the bridge and never seen by this process. A Pod's packet for an address
// outside the ranges reaches the gateway, where an nftables rule hands it to a socket of the engine (tproxy). The engine
// dials the destination from the host and copies. A query to port 53 of the gateway is answered by package dns.
//
// # Threads
//
// A process in a user namespace can join the hub, which that user namespace owns, but cannot come back to the host's
// network namespace, which it does not own. So one thread moves into the hub for good and creates all sockets of the hub; a
// socket stays in the namespace it was made in, whoever uses it later. That thread also visits the Pods' namespaces.
//
// # Death and return
//
// Everything a hub needs to go on is in the kernel: the bridge with its addresses (and so the ranges), the veths, and in
// each veth's alias the Pod's ID and addresses. [Open] sets up only what is missing; Open of a hub that another process left
// behind finds the ranges and the reservations again. Only names are told anew, with [Hub.Adopt]. While no process serves the
// hub, Pods still reach each other; a new connection to the outside is silent until its SYN is sent again.
//
// # What a Pod hears
//
// A destination that refuses, is unreachable or stays silent looks to a program in a Pod as it looks to one on the host: the engine connects
// before the Pod's own connection is answered. What is closed to Pods (the host's loopback and link-local addresses, broadcast and
// multicast) refuses; a Pod may be given the host's loopback at addresses of its own ([HostLoopback4]). Echo requests are answered by their destination or not at all; where the host permits no ping sockets
// (net.ipv4.ping_group_range), the Pod hears that it is prohibited. What the kernel must have for that is in the engines' packages.
//
// # Ports of the host
//
// [Hub.Publish] listens on the host for a Pod (package publish). The Pod is connected to from the hub with the client's own address, so what it
// answers leaves for that address; the hub's kernel gives it to the socket that waits for it, found by the egress rules (relay) or by a
// routing rule for the port (gvisor). Clients on the host's loopback or link are seen as the gateway.
//
// # Programs as engines
//
// Two more engines are taken only by name: slirp4netns and pasta, programs that must be installed and need /dev/net/tun (package slirp). The program makes a tap device in the
// hub, and the hub's kernel forwards what Pods send to the outside there, with the device's address in place of the Pod's (masquerade). What is not the
// outside but a matter of policy does not go there: a relay carries Services, the host's loopback for those that have it, and refuses what is closed,
// of which the network of the tap device is a part. Names are answered, and ports of the host published, as with every engine; a Pod's answers to
// clients of a published port find their socket by a rule (nft socket). So these engines need what the relay needs of the kernel, and connection tracking with NAT besides.
//
// What they do less well than the others:
//
//   - How a failure looks is up to the program, and so are ping and the largest datagrams: see package slirp. Limits of flows ([egress.Limits]) are not kept.
//   - The program is not told of Pods. Flows of a Pod that goes end as its processes close them, or when they time out; all of them end with the program, which ends
//     with this process. If it ends by itself, that is logged, Pods hear nothing for a second or more, and it is started again.
//
// # Services
//
// A [Service] is an address outside the ranges, so what Pods send there comes to the engine as any flow does; the policy gives it the address of a Pod to dial,
// and an address in the ranges is dialed from the hub. It works alike with every engine and needs nothing of the kernel; the price is that the Pod sees
// the gateway as its client, and that bytes are copied. The host itself reaches a Service by a published port only.
//
// # Limits
//
// An [Endpoint] may bound what goes to the Pod and what comes from it ([Bandwidth]): the kernel delays the packets on the veth, whoever they are from.
//
// # Not promised
//
// Connections to the outside end with the process that relays them. Protocols other than TCP, UDP and echo requests stay inside.
package netstack
