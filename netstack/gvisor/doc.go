// Package gvisor carries flows of Pods from a hub to the host with a TCP/IP stack of its own, gVisor's, in this process: slirp in the strict
// sense. It is for kernels without nftables or tproxy, which package relay needs; of the kernel it wants a bridge and packet sockets.
//
//	 Pod                     hub                                      this process                              host
//	┌──────┐ veth ┌───────────────────────────────┐  packet sockets  ┌──────────────────────────────┐
//	│ eth0 ├──────┤ bridge: gateway MAC, addresses ├──── link ──────►│ stack: every address is its   │
//	└──────┘      │   │                            │◄── (frames) ────┤ own; endpoint of a connection ├── socket ──► destination
//	              │   ▼ kernel: DNS, probes,       │                 │ tcpFlow, packetFlow           │
//	              │     default route to nowhere   │                 └──────────────────────────────┘
//	              └───────────────────────────────┘
//
// For a Pod nothing differs from the other engine: its router is the gateway, whose MAC the kernel answers for (ARP, neighbour discovery). Two
// packet sockets on the bridge, one for each IP version, see what Pods send to the gateway; a filter in the kernel passes on only what is
// from a Pod and for an address outside the ranges. The kernel sees the same packets and would call them unroutable; a default route
// to nowhere (type blackhole) has it say nothing. What goes back is sent out of the bridge from the gateway's MAC, to a MAC that is
// computed from the Pod's address.
//
// Frames are as long as the sender's kernel made them, up to 64 KiB: without checksums, uncut. PACKET_VNET_HDR says what is missing, both ways.
//
// One TCP flow: the SYN is held while Config.Dial asks the destination. A refusal becomes a reset, an unreachable destination the ICMP error for
// it, silence stays silence. If it is connected, the stack shakes hands with the Pod, and two goroutines copy until both directions have ended.
//
// One UDP flow, and one of ICMP echo requests: the stack puts fragments together and hands over each packet. The flow has a socket of the host,
// of which one goroutine reads; what the host's kernel says of a lost packet is said to the Pod. A flow ends when nothing moved for a while.
//
// Memory: a connection of which nothing moves takes some 15 kB; what data one may hold in the stack depends on how many its Pod has. All numbers are those of egress.Limits; what asks for a connection
// that is not there yet counts per Pod.
//
// # Not promised
//
// Connections that an engine leaves behind when its process is killed hear nothing until the Pod sends something, which the next engine
// resets. TCP urgent data and socket options do not cross. A Pod that gives its interface another MAC cuts itself off.
package gvisor
