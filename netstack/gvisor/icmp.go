package gvisor

import (
	"encoding/binary"
	"net/netip"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"

	"github.com/peapod/peapod/netstack/egress"
)

func (e *Engine) icmpKind() *packetKind {
	l := e.cfg.Limits
	return &packetKind{network: "icmp", protocol: icmpProtocol, toPod: echoToPod, table: newPacketTable(l.ICMP, l.ICMPPod, l.ICMPIdle)}
}

func icmpProtocol(version4 bool) tcpip.TransportProtocolNumber {
	if version4 {
		return icmp.ProtocolNumber4
	}
	return icmp.ProtocolNumber6
}

// takeEcho gets the ICMP messages that are for a program. Only echo requests concern anybody outside; to say that it has taken one keeps the
// stack from answering for the destination.
func (e *Engine) takeEcho(id stack.TransportEndpointID, p *stack.PacketBuffer) bool {
	view := stack.PayloadSince(p.TransportHeader())
	defer view.Release()
	message := view.AsSlice()
	request := byte(header.ICMPv4Echo)
	if id.RemoteAddress.Len() == header.IPv6AddressSize {
		request = byte(header.ICMPv6EchoRequest)
	}
	if len(message) < header.ICMPv4MinimumSize || message[0] != request {
		return true
	}
	identifier := binary.BigEndian.Uint16(message[4:])
	e.takePacket(e.icmp, packetKey{
		src: netip.AddrPortFrom(addressOf(id.RemoteAddress), identifier),
		dst: netip.AddrPortFrom(addressOf(id.LocalAddress), 0),
	}, binary.BigEndian.Uint64(message), message)
	return true
}

// echoToPod gives a reply the identifier of the Pod's request; that of the ping socket is the kernel's choice.
func echoToPod(f *packetFlow, b []byte) *stack.PacketBuffer {
	if len(b) < header.ICMPv4MinimumSize {
		return nil
	}
	binary.BigEndian.PutUint16(b[4:], f.src.Port())
	return icmpMessage(f.route, b)
}

// icmpMessage puts the checksum in. That of ICMPv6 covers the addresses, too: RFC 4443.
func icmpMessage(r *stack.Route, b []byte) *stack.PacketBuffer {
	b[2], b[3] = 0, 0
	initial := uint16(0)
	if r.NetProto() == header.IPv6ProtocolNumber {
		initial = header.PseudoHeaderChecksum(icmp.ProtocolNumber6, r.LocalAddress(), r.RemoteAddress(), uint16(len(b)))
	}
	binary.BigEndian.PutUint16(b[2:], ^checksum.Checksum(b, initial))
	return stack.NewPacketBuffer(stack.PacketBufferOptions{
		ReserveHeaderBytes: int(r.MaxHeaderLength()), Payload: buffer.MakeWithData(b),
	})
}

// explain tells a Pod by an ICMP error why nothing came of its packet, of which begin is the beginning of the transport header. A TCP connection
// that is refused is reset instead.
func (e *Engine) explain(protocol tcpip.TransportProtocolNumber, key packetKey, begin uint64, o egress.Outcome) {
	if o == egress.Refused && protocol == icmpProtocol(key.src.Addr().Is4()) {
		o = egress.Prohibited // there is no port that could be refused
	}
	kind, code, ok := unreachable(key.src.Addr().Is4(), o)
	if !ok {
		return
	}
	from := e.cfg.Gateway6
	if key.src.Addr().Is4() {
		from = e.cfg.Gateway4
	}
	if o == egress.Refused {
		from = key.dst.Addr() // who has no such port says so himself
	}
	r, err := e.route(from, key.src.Addr())
	if err != nil {
		return
	}
	defer r.Release()
	message := append([]byte{kind, code, 0, 0, 0, 0, 0, 0}, quote(protocol, key, begin)...)
	e.send(r, icmpProtocol(key.src.Addr().Is4()), icmpMessage(r, message))
}

// unreachable translates an outcome into type and code of ICMP (RFC 792, RFC 1812) and ICMPv6 (RFC 4443).
func unreachable(version4 bool, o egress.Outcome) (kind, code byte, ok bool) {
	codes := map[egress.Outcome][2]byte{ // ICMP, ICMPv6
		egress.Refused:         {3, 4},
		egress.HostUnreachable: {1, 3},
		egress.NetUnreachable:  {0, 0},
		egress.Prohibited:      {13, 1},
	}
	both, ok := codes[o]
	if version4 {
		return byte(header.ICMPv4DstUnreachable), both[0], ok
	}
	return byte(header.ICMPv6DstUnreachable), both[1], ok
}

// quote makes the beginning of the packet again that the Pod has sent: what its kernel looks at to find the socket.
func quote(protocol tcpip.TransportProtocolNumber, key packetKey, begin uint64) []byte {
	src, dst := tcpip.AddrFromSlice(key.src.Addr().AsSlice()), tcpip.AddrFromSlice(key.dst.Addr().AsSlice())
	var b []byte
	if key.src.Addr().Is4() {
		b = make([]byte, header.IPv4MinimumSize, header.IPv4MinimumSize+8)
		h := header.IPv4(b)
		h.Encode(&header.IPv4Fields{TotalLength: header.IPv4MinimumSize + 8, TTL: 64, Protocol: uint8(protocol), SrcAddr: src, DstAddr: dst})
		h.SetChecksum(^h.CalculateChecksum())
	} else {
		b = make([]byte, header.IPv6MinimumSize, header.IPv6MinimumSize+8)
		header.IPv6(b).Encode(&header.IPv6Fields{PayloadLength: 8, TransportProtocol: protocol, HopLimit: 64, SrcAddr: src, DstAddr: dst})
	}
	return binary.BigEndian.AppendUint64(b, begin)
}
