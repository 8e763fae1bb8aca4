// Package relay carries TCP and UDP flows, and echo requests, from a network namespace, the hub, to the network of this process, the host,
// without a TCP implementation of its own: the kernel ends each flow on both sides, and relay copies in between.
//
// The words, besides those of package egress:
//
//   - The pod side of a flow is a socket in the hub that has the destination as its own address (IP_TRANSPARENT); the host side is
//     an ordinary socket of the host that is connected to the destination.
//   - A packet that is held waits in a queue of the kernel (NFQUEUE) for a verdict: it goes on or is dropped.
//
// One TCP flow: a rule in the hub holds the Pod's SYN and tells relay, which connects the host side. Only when that is answered does the SYN go
// on, to a rule (tproxy) that gives it to a listener of relay. The kernel accepts; the address of the accepted socket is the destination; with
// both addresses relay finds the host side that is connected already, and copies both ways. If the destination refuses, relay drops the SYN
// and answers it as the destination did: by a RST, or by the ICMP message for "unreachable". If it stays silent, so does relay. SYNs
// that a Pod repeats meanwhile are dropped. The end of one direction is passed on as such (FIN), an error as a reset (RST).
//
// One UDP flow: the first datagram reaches a socket of relay together with its destination (IP_RECVORIGDSTADDR). Relay makes both
// sides; as the pod side is bound to the destination and connected to the source, the kernel gives all further
// datagrams of the flow to it, and answers leave with the right source address. ICMP errors of the host side are told to the Pod. A flow
// ends when nothing moved for a while.
//
// Echo requests are held as a whole and dropped; relay sends them again by a ping socket, one for each identifier that a Pod uses, and makes
// packets of the replies. If the host permits no ping sockets (net.ipv4.ping_group_range), the Pod hears that it is prohibited.
//
// # Who does what
//
// A few workers, as many as there are processors, wait for the events of all sockets together (poller). Whatever belongs to a flow
// is touched only inside its gate, by one worker at a time. Each worker has one buffer, and nothing else in the data path does: an idle flow
// costs two sockets and some 400 bytes. What one side sends and the other does not take has to be kept, within a budget for all flows
// together; beyond it, bytes stay in the socket of the side that sends.
//
// A Carrier has the same for connections that others have made: published ports.
//
// # Bounds
//
// Each Pod may have so many flows of each kind (egress.Limits). TCP flows beyond that are not opened; of UDP and echo flows, and of connections that wait for
// their destination's answer, an old one makes room. A turn of a worker ends after some megabytes or some dozens of packets, so
// that none of the other flows waits long.
//
// # Not promised
//
// Where the kernel has no NFQUEUE (CONFIG_NETFILTER_NETLINK_QUEUE, and CONFIG_NFT_QUEUE or CONFIG_NFT_COMPAT with
// CONFIG_NETFILTER_XT_TARGET_NFQUEUE), a Pod sees its TCP connection accepted before the destination has answered, and reset when the dial fails; echo requests stay unanswered.
// "Prohibited" is EACCES on the host and EHOSTUNREACH in a Pod for IPv4, as no ICMP message means the former. A router's message
// that a packet has lived too long (traceroute) does not reach the Pod. Socket options do not cross, nor does the time to live. TCP's
// urgent byte stays in its place and arrives as an ordinary one (RFC 6093 asks programs not to count on more).
package relay
