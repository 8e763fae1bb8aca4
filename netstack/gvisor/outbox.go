package gvisor

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// WritePackets sends what it can. The stack asks for nothing more than the number.
func (l *link) WritePackets(packets stack.PacketBufferList) (int, tcpip.Error) {
	sent := 0
	for _, p := range packets.AsSlice() {
		if err := l.write(p); err != nil {
			return sent, err
		}
		sent++
	}
	return sent, nil
}

func (l *link) write(p *stack.PacketBuffer) tcpip.Error {
	socket, kind := l.version4, uint16(unix.ETH_P_IP)
	if p.NetworkProtocolNumber == header.IPv6ProtocolNumber {
		socket, kind = l.version6, unix.ETH_P_IPV6
	}
	to, ok := l.neighbour(destinationOf(p))
	if !ok {
		return &tcpip.ErrHostUnreachable{}
	}
	head := make([]byte, 0, headLen)
	head = offload(p).append(head)
	head = append(append(head, to[:]...), l.self[:]...)
	head = binary.BigEndian.AppendUint16(head, kind)

	parts := append(make([][]byte, 0, 8), head)
	views, skip := p.AsViewList()
	for v := views.Front(); v != nil; v = v.Next() {
		b := v.AsSlice()
		if skip >= len(b) {
			skip -= len(b)
			continue
		}
		parts = append(parts, b[skip:])
		skip = 0
	}
	return socket.send(parts)
}

// destinationOf reads the address from the header that the stack has written.
func destinationOf(p *stack.PacketBuffer) netip.Addr {
	b := p.NetworkHeader().Slice()
	switch {
	case p.NetworkProtocolNumber == header.IPv4ProtocolNumber && len(b) >= 20:
		return netip.AddrFrom4([4]byte(b[16:20]))
	case len(b) >= 40:
		return netip.AddrFrom16([16]byte(b[24:40]))
	}
	return netip.Addr{}
}

// offload says what is left to do for the kernel. The length of the headers matters even if that is nothing: the kernel allocates so much in
// one piece, and pages for the rest.
func offload(p *stack.PacketBuffer) vnetHeader {
	h := vnetHeader{headerLen: uint16(ethernetLen + p.HeaderSize())}
	gso := p.GSOOptions
	if gso.NeedsCsum {
		h.flags = vnetNeedsChecksum
		h.checksumStart, h.checksumAt = ethernetLen+gso.L3HdrLen, gso.CsumOffset
	}
	if gso.Type != stack.GSONone && p.Data().Size() > int(gso.MSS) {
		h.segmentKind, h.segmentSize = segmentTCPv4, gso.MSS
		if gso.Type == stack.GSOTCPv6 {
			h.segmentKind = segmentTCPv6
		}
	}
	return h
}
