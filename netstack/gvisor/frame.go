package gvisor

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// A frame as a packet socket gives and takes it: struct virtio_net_hdr (packet(7), PACKET_VNET_HDR, in the machine's byte order), the
// Ethernet header, the IP packet.
const (
	vnetLen     = 10
	ethernetLen = 14
	headLen     = vnetLen + ethernetLen
)

// What struct virtio_net_hdr can say, of linux/virtio_net.h.
const (
	vnetNeedsChecksum = 1

	segmentNone  = 0
	segmentTCPv4 = 1
	segmentUDP   = 3 // the old kind: one datagram, to be cut into fragments
	segmentTCPv6 = 4
	segmentUDPL4 = 5 // many datagrams
	segmentECN   = 0x80
)

// A vnetHeader says which work the other side of a packet socket has left undone: segments to cut, a checksum to put in.
type vnetHeader struct {
	flags, segmentKind                                byte
	headerLen, segmentSize, checksumStart, checksumAt uint16
}

func (h vnetHeader) append(b []byte) []byte {
	b = append(b, h.flags, h.segmentKind)
	for _, field := range []uint16{h.headerLen, h.segmentSize, h.checksumStart, h.checksumAt} {
		b = binary.NativeEndian.AppendUint16(b, field)
	}
	return b
}

// A frame is what the engine uses of a received one.
type frame struct {
	version     byte // 4 or 6
	packet      []byte
	datagrams   bool // the packet is many UDP datagrams with one header, each segmentSize long but for the last
	segmentSize int
}

// parseFrame reads a received frame. It checks only what the engine itself relies on, the stack the rest. TCP segments that nobody has
// cut need no care: the stack takes them in one piece.
func parseFrame(head *[headLen]byte, packet []byte) (f frame, ok bool) {
	if len(packet) == 0 {
		return f, false
	}
	f.packet = packet
	f.version = packet[0] >> 4
	switch kind := binary.BigEndian.Uint16(head[vnetLen+12:]); {
	case kind == unix.ETH_P_IP && f.version == 4:
	case kind == unix.ETH_P_IPV6 && f.version == 6:
	default:
		return f, false
	}
	switch head[1] &^ segmentECN {
	case segmentNone, segmentTCPv4, segmentTCPv6, segmentUDP:
	case segmentUDPL4:
		f.datagrams, f.segmentSize = true, int(binary.NativeEndian.Uint16(head[4:]))
	default:
		return f, false
	}
	return f, true
}

// maxDatagrams is what the kernel allows a program to send at once (UDP_MAX_SEGMENTS); a frame that a Pod has made up may claim to be more.
const maxDatagrams = 128

// splitDatagrams cuts a packet of many datagrams into packets of one, as a network card would (UDP_SEGMENT of udp(7)). Checksums
// are not put in: the stack trusts those of this link. Extension headers and fragments do not come with such packets.
func splitDatagrams(f frame) [][]byte {
	ipLen := 40
	protocolAt, lengthAt := 6, 4
	if f.version == 4 {
		ipLen = int(f.packet[0]&0xf) * 4
		protocolAt, lengthAt = 9, 2
	}
	head := ipLen + 8
	if ipLen < 20 || len(f.packet) < head || f.packet[protocolAt] != unix.IPPROTO_UDP ||
		f.segmentSize == 0 || (len(f.packet)-head)/f.segmentSize > maxDatagrams {
		return nil
	}
	var packets [][]byte
	for rest := f.packet[head:]; len(rest) > 0; {
		size := min(f.segmentSize, len(rest))
		p := make([]byte, 0, head+size)
		p = append(append(p, f.packet[:head]...), rest[:size]...)
		length := uint16(8 + size)
		binary.BigEndian.PutUint16(p[ipLen+4:], length)
		if f.version == 4 {
			length += uint16(ipLen)
		}
		binary.BigEndian.PutUint16(p[lengthAt:], length)
		packets = append(packets, p)
		rest = rest[size:]
	}
	return packets
}
