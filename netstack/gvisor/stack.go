package gvisor

import (
	"errors"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

const nic tcpip.NICID = 1

// What the stack may hold of a connection, each way, of data that its other side has not taken yet. Half of it is the window. A round trip is
// less than 0.1 ms on an idle machine, but more than ten times that on a busy one, and a window in that time is the most that moves.
//
// A Pod's connections share a budget: those that come when there are many get less. All together that is some 200 MB each way for a Pod with
// 2500 connections of which nobody reads, instead of 2.5 GB.
const (
	smallestBuffer = 64 << 10
	largestBuffer  = 1 << 20
	podBudget      = 16 << 20
)

// bufferFor is the size for the connection of a Pod that has so many. queue is what a packet socket may hold: of a window that does
// not fit there, packets are lost.
func bufferFor(connections, queue int) int {
	return max(min(podBudget/max(connections, 1), largestBuffer, queue), smallestBuffer)
}

// openStack makes a stack that takes every address of the world for its own (promiscuous mode), and sends from it (spoofing).
func (e *Engine) openStack() error {
	e.stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6},
	})
	if err := e.tuneTCP(); err != nil {
		return err
	}
	for _, err := range []tcpip.Error{
		e.stack.CreateNICWithOptions(nic, e.link, stack.NICOptions{Name: "hub"}),
		e.stack.SetPromiscuousMode(nic, true),
		e.stack.SetSpoofing(nic, true),
	} {
		if err != nil {
			return errors.New(err.String())
		}
	}
	e.stack.SetRouteTable([]tcpip.Route{
		{Destination: header.IPv4EmptySubnet, NIC: nic},
		{Destination: header.IPv6EmptySubnet, NIC: nic},
	})
	e.stack.SetTransportProtocolHandler(tcp.ProtocolNumber, e.takeSegment(tcp.NewForwarder(e.stack, largestBuffer, noLimit, e.takeConnection)))
	e.stack.SetTransportProtocolHandler(udp.ProtocolNumber, e.takeDatagram)
	e.stack.SetTransportProtocolHandler(icmp.ProtocolNumber4, e.takeEcho)
	e.stack.SetTransportProtocolHandler(icmp.ProtocolNumber6, e.takeEcho)
	return nil
}

// noLimit: the engine counts by itself.
const noLimit = int(^uint(0) >> 1)

func (e *Engine) tuneTCP() error {
	sack := tcpip.TCPSACKEnabled(true)
	// No packet wanders about on a veth, so late ones need not be waited for; only its place is kept while the last ACK may be asked for again.
	timeWait := tcpip.TCPTimeWaitTimeoutOption(time.Second)
	// The window does not grow by itself, see bufferFor.
	moderate := tcpip.TCPModerateReceiveBufferOption(false)
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: smallestBuffer, Max: largestBuffer}
	send := tcpip.TCPSendBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: smallestBuffer, Max: largestBuffer}
	for _, option := range []tcpip.SettableTransportProtocolOption{&sack, &timeWait, &moderate, &receive, &send} {
		if err := e.stack.SetTransportProtocolOption(tcp.ProtocolNumber, option); err != nil {
			return errors.New(err.String())
		}
	}
	return nil
}
