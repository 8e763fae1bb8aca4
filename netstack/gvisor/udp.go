package gvisor

import (
	"encoding/binary"
	"net/netip"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

func (e *Engine) udpKind() *packetKind {
	l := e.cfg.Limits
	return &packetKind{
		network:  "udp",
		protocol: func(bool) tcpip.TransportProtocolNumber { return udp.ProtocolNumber },
		toPod:    datagramToPod,
		table:    newPacketTable(l.UDP, l.UDPPod, l.UDPIdle),
	}
}

// takeDatagram gets every UDP datagram, after fragments were put together.
func (e *Engine) takeDatagram(id stack.TransportEndpointID, p *stack.PacketBuffer) bool {
	key := packetKey{
		src: netip.AddrPortFrom(addressOf(id.RemoteAddress), id.RemotePort),
		dst: netip.AddrPortFrom(addressOf(id.LocalAddress), id.LocalPort),
	}
	head := p.TransportHeader().Slice()
	length := int(header.UDP(head).Length()) - header.UDPMinimumSize
	payload, ok := p.Data().PullUp(p.Data().Size())
	if ok && length >= 0 && length <= len(payload) {
		e.takePacket(e.udp, key, binary.BigEndian.Uint64(head), payload[:length])
	}
	return true
}

func datagramToPod(f *packetFlow, b []byte) *stack.PacketBuffer {
	if len(b) > 1<<16-1-header.UDPMinimumSize {
		return nil
	}
	p := stack.NewPacketBuffer(stack.PacketBufferOptions{
		ReserveHeaderBytes: header.UDPMinimumSize + int(f.route.MaxHeaderLength()),
		Payload:            buffer.MakeWithData(b),
	})
	head := header.UDP(p.TransportHeader().Push(header.UDPMinimumSize))
	length := uint16(header.UDPMinimumSize + len(b))
	head.Encode(&header.UDPFields{SrcPort: f.dst.Port(), DstPort: f.src.Port(), Length: length})
	pseudo := header.PseudoHeaderChecksum(udp.ProtocolNumber, f.route.LocalAddress(), f.route.RemoteAddress(), length)
	sum := ^head.CalculateChecksum(checksum.Checksum(b, pseudo))
	if sum == 0 {
		sum = 0xffff // zero would mean that there is none: RFC 768
	}
	head.SetChecksum(sum)
	return p
}
