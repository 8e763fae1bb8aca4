package relay

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/egress"
)

var (
	key4 = key{netip.MustParseAddrPort("10.206.0.2:40000"), netip.MustParseAddrPort("192.0.2.1:80")}
	key6 = key{netip.MustParseAddrPort("[fd70::2]:40000"), netip.MustParseAddrPort("[2001:db8::1]:80")}
)

// synPacket is a SYN with some data behind it, and for IPv6 an extension header before it.
func synPacket(k key, flags byte) []byte {
	t := make([]byte, 24, 29)
	binary.BigEndian.PutUint16(t, k.src.Port())
	binary.BigEndian.PutUint16(t[2:], k.dst.Port())
	binary.BigEndian.PutUint32(t[4:], 0xfffffffe)
	t[12], t[13] = 6<<4, flags
	t = append(t, "early"...)
	if k.src.Addr().Is4() {
		return addHeader(t, k.src.Addr(), k.dst.Addr(), unix.IPPROTO_TCP)
	}
	options := append([]byte{unix.IPPROTO_TCP, 0, 1, 4, 0, 0, 0, 0}, t...)
	return addHeader(options, k.src.Addr(), k.dst.Addr(), unix.IPPROTO_HOPOPTS)
}

func TestParseSYN(t *testing.T) {
	for _, k := range []key{key4, key6} {
		whole := synPacket(k, flagSYN)
		for _, b := range [][]byte{whole, whole[:len(whole)-5], append(whole[:len(whole):len(whole)], "trailer"...)} {
			p, ok := parsePacket(b)
			if !ok {
				t.Fatalf("%v: not parsed", k)
			}
			got, syn, ok := parseSYN(p)
			if !ok || got != k || syn.seq != 0xfffffffe || syn.expected != 4 { // 0xfffffffe, the SYN and five bytes
				t.Errorf("got %v, %+v, %t; want %v", got, syn, ok, k)
			}
		}
		for _, flags := range []byte{flagSYN | flagACK, flagSYN | flagRST, flagFIN | flagSYN, flagACK, 0} {
			if p, ok := parsePacket(synPacket(k, flags)); ok {
				if _, _, ok := parseSYN(p); ok {
					t.Errorf("flags %#x taken for a SYN", flags)
				}
			}
		}
		for n := range len(whole) - 9 { // without its options and its data
			if p, ok := parsePacket(whole[:n]); ok {
				if _, _, ok := parseSYN(p); ok {
					t.Errorf("%d bytes taken for a SYN", n)
				}
			}
		}
	}
	fragment := synPacket(key4, flagSYN)
	fragment[6] = 0x20
	if _, ok := parsePacket(fragment); ok {
		t.Error("a fragment was taken for a packet")
	}
}

// verify checks the sums of a packet that the relay has made, and that it is meant for the Pod.
func verify(t *testing.T, b []byte, from, to netip.Addr, protocol byte) packet {
	t.Helper()
	p, ok := parsePacket(b)
	if !ok || p.src != from || p.dst != to || p.protocol != protocol || p.length != len(p.payload) {
		t.Fatalf("got %+v, %t; want %s to %s", p, ok, from, to)
	}
	if from.Is4() && checksum(b[:20], 0) != 0 {
		t.Error("wrong sum of the IP header")
	}
	before := pseudoHeader(from, to, protocol, p.length)
	if protocol == unix.IPPROTO_ICMP {
		before = 0
	}
	if checksum(p.payload, before) != 0 {
		t.Error("wrong sum")
	}
	return p
}

func TestResetFor(t *testing.T) {
	for _, k := range []key{key4, key6} {
		p := verify(t, resetFor(k, heldSYN{expected: 77}), k.dst.Addr(), k.src.Addr(), unix.IPPROTO_TCP)
		b := p.payload
		if binary.BigEndian.Uint16(b) != k.dst.Port() || binary.BigEndian.Uint16(b[2:]) != k.src.Port() ||
			binary.BigEndian.Uint32(b[8:]) != 77 || b[13] != flagRST|flagACK {
			t.Errorf("%v: got % x", k, b)
		}
	}
}

func TestUnreachable(t *testing.T) {
	for _, test := range []struct {
		outcome      egress.Outcome
		code4, code6 byte
	}{
		{egress.Refused, 3, 4}, {egress.HostUnreachable, 1, 3}, {egress.NetUnreachable, 0, 0}, {egress.Prohibited, 13, 1},
	} {
		for _, k := range []key{key4, key6} {
			from, protocol, kind, code := netip.MustParseAddr("10.206.0.1"), byte(unix.IPPROTO_ICMP), byte(3), test.code4
			if k.src.Addr().Is6() {
				from, protocol, kind, code = netip.MustParseAddr("fd70::1"), unix.IPPROTO_ICMPV6, 1, test.code6
			}
			p := verify(t, unreachable(test.outcome, from, k, unix.IPPROTO_UDP, udpStart(k)), from, k.src.Addr(), protocol)
			if p.payload[0] != kind || p.payload[1] != code {
				t.Errorf("%s: type %d, code %d", test.outcome, p.payload[0], p.payload[1])
			}
			quoted, ok := parsePacket(p.payload[icmpHeader:])
			if !ok || quoted.src != k.src.Addr() || quoted.dst != k.dst.Addr() || quoted.protocol != unix.IPPROTO_UDP || len(quoted.payload) != 8 ||
				binary.BigEndian.Uint16(quoted.payload) != k.src.Port() || binary.BigEndian.Uint16(quoted.payload[2:]) != k.dst.Port() {
				t.Errorf("quotes %+v", quoted)
			}
		}
	}
	for _, o := range []egress.Outcome{egress.Connected, egress.Silent} {
		if m := unreachable(o, key4.dst.Addr(), key4, unix.IPPROTO_TCP, udpStart(key4)); m != nil {
			t.Errorf("%s: got % x", o, m)
		}
	}
}

func TestEcho(t *testing.T) {
	for _, k := range []key{key4, key6} {
		src, dst := k.src.Addr(), k.dst.Addr()
		protocol, request, reply := byte(unix.IPPROTO_ICMP), byte(8), byte(0)
		if src.Is6() {
			protocol, request, reply = unix.IPPROTO_ICMPV6, 128, 129
		}
		m := append([]byte{request, 0, 0, 0, 0x12, 0x34, 0, 1}, "payload"...)
		p, ok := parsePacket(addHeader(m, src, dst, protocol))
		if id, isEcho := parseEcho(p); !ok || !isEcho || id != 0x1234 {
			t.Errorf("got %#x, %t, %t", id, ok, isEcho)
		}
		p.payload = p.payload[:len(p.payload)-1]
		if _, ok := parseEcho(p); ok {
			t.Error("half a request was taken for a whole one")
		}
		m[0], m[4] = reply, 0xff
		b := verify(t, echoReply(m, 0x1234, dst, src), dst, src, protocol).payload
		if b[0] != reply || binary.BigEndian.Uint16(b[4:]) != 0x1234 || string(b[8:]) != "payload" {
			t.Errorf("got % x", b)
		}
	}
}

func FuzzPacket(f *testing.F) {
	for _, k := range []key{key4, key6} {
		f.Add(synPacket(k, flagSYN))
		f.Add(addHeader([]byte{8, 0, 0, 0, 1, 2, 3, 4}, k.src.Addr(), k.dst.Addr(), unix.IPPROTO_ICMP))
		f.Add(addHeader([]byte{128, 0, 0, 0, 1, 2, 3, 4}, k.src.Addr(), k.dst.Addr(), unix.IPPROTO_ICMPV6))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := parsePacket(b)
		if !ok {
			return
		}
		if len(p.payload) > p.length || p.src.Is4() != p.dst.Is4() || p.src.Is4In6() {
			t.Fatalf("%+v", p)
		}
		if k, syn, ok := parseSYN(p); ok {
			verify(t, resetFor(k, syn), p.dst, p.src, unix.IPPROTO_TCP)
			for _, o := range []egress.Outcome{egress.Refused, egress.NetUnreachable} {
				if m := unreachable(o, p.dst, k, unix.IPPROTO_TCP, append(ports(k), 0, 0, 0, 0)); len(m) == 0 {
					t.Error("no message")
				}
			}
		}
		if _, ok := parseEcho(p); ok && len(p.payload) < icmpHeader {
			t.Error("an echo request without a header")
		}
	})
}

// queuedMessage is what the kernel sends for a packet.
func queuedMessage(id uint32, payload []byte) []byte {
	header := binary.BigEndian.AppendUint32(nil, id)
	b := netlinkMessage(msgPacket, 0, 1, attrPacketHeader, append(header, 0x08, 0, 0))
	rest := netlinkMessage(0, 0, 0, attrPayload, payload)[netlinkHeaders:]
	b = append(b, rest...)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	return b
}

func TestParseQueued(t *testing.T) {
	first, second := queuedMessage(7, []byte("abcde")), queuedMessage(8, []byte("xy"))
	b := append(append(first, netlinkMessage(unix.NLMSG_ERROR, 0, 0, 1, make([]byte, 20))...), second...)
	var got []queued
	for len(b) > 0 {
		p, rest, ok := parseQueued(b)
		if ok {
			got = append(got, p)
		}
		if len(rest) >= len(b) {
			t.Fatal("no progress")
		}
		b = rest
	}
	if len(got) != 2 || got[0].id != 7 || string(got[0].payload) != "abcde" || got[1].id != 8 || string(got[1].payload) != "xy" {
		t.Errorf("got %+v", got)
	}
}

func FuzzQueued(f *testing.F) {
	f.Add(queuedMessage(7, synPacket(key4, flagSYN)))
	f.Add(append(queuedMessage(1, nil), queuedMessage(2, []byte("abc"))...))
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			p, rest, ok := parseQueued(b)
			if len(rest) >= len(b) || ok && len(p.payload) > len(b) {
				t.Fatal("no progress, or more than there was")
			}
			b = rest
		}
	})
}
