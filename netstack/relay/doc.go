// Package relay carries TCP and UDP flows from a network namespace, the hub, to the network of this process, the host, without a
// TCP implementation of its own: the kernel ends each flow on both sides, and relay copies in between.
//
// The words:
//
//   - A flow has a source, which is a Pod's address and port, and a destination, which is where the Pod wanted to go.
//   - The pod side is a socket in the hub that has the destination as its own address (IP_TRANSPARENT); the host side is
//     an ordinary socket of the host that is connected to the destination.
//
// One TCP flow: a rule in the hub (tproxy) gives the Pod's SYN to a listener of relay. The kernel accepts; the local address of the
// accepted socket is the destination. Relay asks Config.Dial for the host side and copies both ways. The end of one
// direction is passed on as such (FIN), an error as a reset (RST).
//
// One UDP flow: the first datagram reaches a socket of relay together with its destination (IP_RECVORIGDSTADDR). Relay makes both
// sides; as the pod side is bound to the destination and connected to the source, the kernel gives all further
// datagrams of the flow to it, and answers leave with the right source address. A flow ends when nothing moved for a while.
//
// Buffers come from pools and are taken only when the kernel says that there is something to read: an idle flow
// costs two sockets and two sleeping goroutines.
//
// Config.Dial gets source and destination, so whoever wants to decide about a flow earlier than its accept can dial there first
// and hand the result over.
//
// # Not promised
//
// The Pod sees its TCP connection accepted before the destination has answered; when the dial fails, the connection is
// reset. An ICMP error for a UDP flow does not reach the Pod. TCP urgent data and socket options do not cross.
package relay
