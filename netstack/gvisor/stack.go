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

// What a connection may hold of data that its other side has not taken yet. Half of the receive buffer is the window, which must not be
// more than the packet socket's queue holds: what does not fit there is lost. With packets of 64 KiB and a round trip of less than 0.1 ms
// this is enough for more than 10 Gbit/s.
const (
	receiveBuffer = 512 << 10
	sendBuffer    = 512 << 10
)

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
	e.stack.SetTransportProtocolHandler(tcp.ProtocolNumber, e.takeSegment(tcp.NewForwarder(e.stack, receiveBuffer, noLimit, e.takeConnection)))
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
	// The window does not grow, see receiveBuffer.
	moderate := tcpip.TCPModerateReceiveBufferOption(false)
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: receiveBuffer, Max: receiveBuffer}
	send := tcpip.TCPSendBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: sendBuffer, Max: sendBuffer}
	for _, option := range []tcpip.SettableTransportProtocolOption{&sack, &timeWait, &moderate, &receive, &send} {
		if err := e.stack.SetTransportProtocolOption(tcp.ProtocolNumber, option); err != nil {
			return errors.New(err.String())
		}
	}
	return nil
}
