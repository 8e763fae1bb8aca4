// Package publish makes ports of Pods reachable at ports of the host.
//
// The words are those of RootlessKit's package port, whose Manager this is: the parent is the host, the child a Pod. A [port.Spec] says
// which host address and port stands for which address and port of a Pod. The family is that of the Pod's address: one that is to
// be reached by IPv4 and IPv6 is published twice.
//
// One TCP connection: the kernel accepts it on the host; [Config.Connect] begins to connect to the Pod with the client's own address and
// port as the source, so that the Pod sees who it is; a relay.Carrier copies, which starts with the first port and has no goroutine for
// a connection. If the Pod refuses, the client's connection is reset.
//
// One UDP flow: datagrams of one client to one address of the host have a socket of their own towards the Pod, also with the client's
// address. Its answers go back from the address that the client wrote to (IP_PKTINFO). A flow that is silent for long ends; of
// too many, the oldest makes room.
//
// # Not promised
//
// The client sees its connection accepted before the Pod has. A port of the Pod that is refused by ICMP looks to a UDP client as
// if nobody answered.
package publish
