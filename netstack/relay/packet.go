package relay

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/egress"
)

// A packet is what the relay needs of an IP packet that a Pod has sent. Nothing of it is to be trusted.
type packet struct {
	src, dst netip.Addr
	protocol byte
	payload  []byte // of the protocol, as far as it was copied
	length   int    // of the protocol, as the IP header says
}

// parsePacket reads the headers of IPv4 (RFC 791) or IPv6 (RFC 8200). Fragments do not count: tproxy has the kernel put them together first.
func parsePacket(b []byte) (packet, bool) {
	if len(b) == 0 {
		return packet{}, false
	}
	switch b[0] >> 4 {
	case 4:
		return parseIPv4(b)
	case 6:
		return parseIPv6(b)
	}
	return packet{}, false
}

func parseIPv4(b []byte) (packet, bool) {
	if len(b) < 20 {
		return packet{}, false
	}
	header, total := int(b[0]&0x0f)*4, int(binary.BigEndian.Uint16(b[2:]))
	fragment := binary.BigEndian.Uint16(b[6:]) & 0x3fff // more fragments, offset
	if header < 20 || header > len(b) || total < header || fragment != 0 {
		return packet{}, false
	}
	return packet{
		src: netip.AddrFrom4([4]byte(b[12:])), dst: netip.AddrFrom4([4]byte(b[16:])), protocol: b[9],
		payload: b[header:min(total, len(b))], length: total - header,
	}, true
}

func parseIPv6(b []byte) (packet, bool) {
	const fixed = 40
	if len(b) < fixed {
		return packet{}, false
	}
	p := packet{src: netip.AddrFrom16([16]byte(b[8:])), dst: netip.AddrFrom16([16]byte(b[24:])), protocol: b[6]}
	p.length = int(binary.BigEndian.Uint16(b[4:]))
	p.payload = b[fixed:min(fixed+p.length, len(b))]
	for p.protocol == unix.IPPROTO_HOPOPTS || p.protocol == unix.IPPROTO_DSTOPTS || p.protocol == unix.IPPROTO_ROUTING {
		if len(p.payload) < 8 {
			return packet{}, false
		}
		size := 8 + 8*int(p.payload[1])
		if size > len(p.payload) || size > p.length {
			return packet{}, false
		}
		p.protocol = p.payload[0]
		p.payload, p.length = p.payload[size:], p.length-size
	}
	return p, !p.src.Is4In6() && !p.dst.Is4In6()
}

// flags of TCP
const (
	flagFIN = 1 << iota
	flagSYN
	flagRST
	_
	flagACK
)

// parseSYN reads a TCP header (RFC 9293) that opens a connection.
func parseSYN(p packet) (k key, syn heldSYN, ok bool) {
	if p.protocol != unix.IPPROTO_TCP || len(p.payload) < tcpHeader {
		return key{}, heldSYN{}, false
	}
	t := p.payload
	offset := int(t[12]>>4) * 4
	if t[13]&(flagSYN|flagACK|flagRST|flagFIN) != flagSYN || offset < tcpHeader || offset > p.length {
		return key{}, heldSYN{}, false
	}
	k.src = netip.AddrPortFrom(p.src, binary.BigEndian.Uint16(t))
	k.dst = netip.AddrPortFrom(p.dst, binary.BigEndian.Uint16(t[2:]))
	syn.seq = binary.BigEndian.Uint32(t[4:])
	syn.expected = syn.seq + 1 + uint32(p.length-offset)
	return k, syn, true
}

// Types of ICMP (RFC 792) and ICMPv6 (RFC 4443).
const (
	icmpUnreachable  = 3
	icmpEcho         = 8
	icmp6Unreachable = 1
	icmp6Echo        = 128
)

// Lengths in bytes, and the number of hops in packets that the relay makes itself.
const (
	tcpHeader  = 20
	icmpHeader = 8
	hops       = 64
)

// parseEcho finds the identifier of an echo request that is there as a whole.
func parseEcho(p packet) (id uint16, ok bool) {
	want := byte(icmpEcho)
	protocol := byte(unix.IPPROTO_ICMP)
	if p.src.Is6() {
		want, protocol = icmp6Echo, unix.IPPROTO_ICMPV6
	}
	if p.protocol != protocol || len(p.payload) < icmpHeader || len(p.payload) != p.length || p.payload[0] != want || p.payload[1] != 0 {
		return 0, false
	}
	return binary.BigEndian.Uint16(p.payload[4:]), true
}

// resetFor answers a SYN as a machine does where nobody listens.
func resetFor(k key, syn heldSYN) []byte {
	t := make([]byte, tcpHeader)
	binary.BigEndian.PutUint16(t, k.dst.Port())
	binary.BigEndian.PutUint16(t[2:], k.src.Port())
	binary.BigEndian.PutUint32(t[8:], syn.expected)
	t[12] = tcpHeader / 4 << 4
	t[13] = flagRST | flagACK
	binary.BigEndian.PutUint16(t[16:], checksum(t, pseudoHeader(k.dst.Addr(), k.src.Addr(), unix.IPPROTO_TCP, len(t))))
	return addHeader(t, k.dst.Addr(), k.src.Addr(), unix.IPPROTO_TCP)
}

// unreachable tells a Pod by ICMP how a packet of a flow fared. from is who says so; start are the first eight bytes behind the IP header, by which the
// Pod's kernel finds the socket. There is none for outcomes that have no such message.
func unreachable(o egress.Outcome, from netip.Addr, k key, protocol byte, start []byte) []byte {
	src, dst := k.src.Addr(), k.dst.Addr()
	code, ok := icmpCode(o, src.Is4())
	if !ok {
		return nil
	}
	m := make([]byte, icmpHeader, icmpHeader+48)
	m[0], m[1] = icmpUnreachable, code
	m = append(m, addHeader(start[:8:8], src, dst, protocol)...)
	if src.Is4() {
		binary.BigEndian.PutUint16(m[2:], checksum(m, 0))
		return addHeader(m, from, src, unix.IPPROTO_ICMP)
	}
	m[0] = icmp6Unreachable
	binary.BigEndian.PutUint16(m[2:], checksum(m, pseudoHeader(from, src, unix.IPPROTO_ICMPV6, len(m))))
	return addHeader(m, from, src, unix.IPPROTO_ICMPV6)
}

// icmpCode is the code of "destination unreachable" for an outcome.
func icmpCode(o egress.Outcome, v4 bool) (code byte, ok bool) {
	codes := map[egress.Outcome][2]byte{
		egress.Refused:         {3, 4},
		egress.HostUnreachable: {1, 3},
		egress.NetUnreachable:  {0, 0},
		egress.Prohibited:      {13, 1},
	}
	pair, ok := codes[o]
	if v4 {
		return pair[0], ok
	}
	return pair[1], ok
}

// echoReply makes a whole packet of a reply, which gets the identifier that the Pod had chosen.
func echoReply(reply []byte, id uint16, from, to netip.Addr) []byte {
	m := append([]byte(nil), reply...)
	binary.BigEndian.PutUint16(m[4:], id)
	m[2], m[3] = 0, 0
	if to.Is4() {
		binary.BigEndian.PutUint16(m[2:], checksum(m, 0))
		return addHeader(m, from, to, unix.IPPROTO_ICMP)
	}
	binary.BigEndian.PutUint16(m[2:], checksum(m, pseudoHeader(from, to, unix.IPPROTO_ICMPV6, len(m))))
	return addHeader(m, from, to, unix.IPPROTO_ICMPV6)
}

// addHeader puts an IP header in front.
func addHeader(payload []byte, src, dst netip.Addr, protocol byte) []byte {
	var b []byte
	if src.Is4() {
		b = make([]byte, 20, 20+len(payload))
		b[0] = 0x45
		binary.BigEndian.PutUint16(b[2:], uint16(20+len(payload)))
		b[6] = 0x40 // do not fragment
		b[8], b[9] = hops, protocol
		copy(b[12:], src.AsSlice())
		copy(b[16:], dst.AsSlice())
		binary.BigEndian.PutUint16(b[10:], checksum(b, 0))
	} else {
		b = make([]byte, 40, 40+len(payload))
		b[0] = 0x60
		binary.BigEndian.PutUint16(b[4:], uint16(len(payload)))
		b[6], b[7] = protocol, hops
		copy(b[8:], src.AsSlice())
		copy(b[24:], dst.AsSlice())
	}
	return append(b, payload...)
}

// pseudoHeader is the sum of what TCP and ICMPv6 include of the IP header.
func pseudoHeader(src, dst netip.Addr, protocol byte, length int) uint32 {
	b := append(src.AsSlice(), dst.AsSlice()...)
	return sum(b) + uint32(protocol) + uint32(length)
}

// checksum is that of RFC 1071 over b and what was summed up before.
func checksum(b []byte, before uint32) uint16 {
	total := before + sum(b)
	for total > 0xffff {
		total = total>>16 + total&0xffff
	}
	return ^uint16(total)
}

// sum cannot overflow: an IP packet has less than 2^15 words.
func sum(b []byte) (total uint32) {
	for ; len(b) >= 2; b = b[2:] {
		total += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		total += uint32(b[0]) << 8
	}
	return total
}
