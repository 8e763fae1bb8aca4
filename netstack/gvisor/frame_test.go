package gvisor

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

func headOf(kind uint16, h vnetHeader) *[headLen]byte {
	b := append(h.append(nil), make([]byte, 12)...)
	return (*[headLen]byte)(binary.BigEndian.AppendUint16(b, kind))
}

// datagrams are some in one packet, as UDP_SEGMENT makes them.
func datagrams(version byte, payload string) []byte {
	head := make([]byte, 40+8)
	head[0], head[6] = 6<<4, unix.IPPROTO_UDP
	if version == 4 {
		head = make([]byte, 24+8) // with options
		head[0], head[9] = 4<<4|6, unix.IPPROTO_UDP
	}
	return append(head, payload...)
}

func TestSplitDatagrams(t *testing.T) {
	for version, kind := range map[byte]uint16{4: unix.ETH_P_IP, 6: unix.ETH_P_IPV6} {
		f, ok := parseFrame(headOf(kind, vnetHeader{segmentKind: segmentUDPL4, segmentSize: 4}), datagrams(version, "onlytwoas"))
		if !ok || !f.datagrams || f.version != version {
			t.Fatalf("IPv%d: %+v", version, f)
		}
		var got []string
		for _, p := range splitDatagrams(f) {
			ipLen, length := 40, binary.BigEndian.Uint16(p[4:])+40
			if version == 4 {
				ipLen, length = 24, binary.BigEndian.Uint16(p[2:])
			}
			if int(length) != len(p) || int(binary.BigEndian.Uint16(p[ipLen+4:])) != len(p)-ipLen {
				t.Errorf("IPv%d: wrong lengths in %x", version, p)
			}
			got = append(got, string(p[ipLen+8:]))
		}
		if want := []string{"only", "twoa", "s"}; len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
			t.Errorf("IPv%d: %q", version, got)
		}
	}
}

func TestParseFrameRefuses(t *testing.T) {
	packet := datagrams(4, "x")
	for name, c := range map[string]struct {
		head   *[headLen]byte
		packet []byte
	}{
		"empty":           {headOf(unix.ETH_P_IP, vnetHeader{}), nil},
		"another version": {headOf(unix.ETH_P_IPV6, vnetHeader{}), packet},
		"ARP":             {headOf(unix.ETH_P_ARP, vnetHeader{}), packet},
		"unknown offload": {headOf(unix.ETH_P_IP, vnetHeader{segmentKind: 77}), packet},
	} {
		if f, ok := parseFrame(c.head, c.packet); ok {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func FuzzFrame(f *testing.F) {
	for _, kind := range []uint16{unix.ETH_P_IP, unix.ETH_P_IPV6} {
		for _, segment := range []byte{segmentNone, segmentUDPL4, segmentTCPv4 | segmentECN} {
			for version := range byte(2) {
				head := headOf(kind, vnetHeader{segmentKind: segment, segmentSize: 3})
				f.Add(append(head[:], datagrams(4+2*version, "hello")...))
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < headLen || len(b) > headLen+roomForPacket {
			return
		}
		frame, ok := parseFrame((*[headLen]byte)(b), b[headLen:])
		if !ok || !frame.datagrams {
			return
		}
		total, before := 0, bytes.Clone(b)
		for _, p := range splitDatagrams(frame) {
			if len(p) > len(frame.packet) {
				t.Errorf("packet of %d bytes from one of %d", len(p), len(frame.packet))
			}
			total += len(p)
		}
		if total > len(frame.packet)+maxDatagrams*(60+8) {
			t.Errorf("%d bytes became %d", len(frame.packet), total)
		}
		if !bytes.Equal(b, before) {
			t.Error("the frame itself was changed")
		}
	})
}

// TestFilter runs the kernel's filter program in a machine of golang.org/x/net/bpf. That has no packet types, so the test of
// them is cut off.
func TestFilter(t *testing.T) {
	for _, test := range []struct {
		pods, src, dst string
		protocol       byte
		want           bool
	}{
		{"10.206.0.0/16", "10.206.0.2", "198.51.100.7", unix.IPPROTO_TCP, true},
		{"10.206.0.0/16", "10.206.255.2", "10.207.0.1", unix.IPPROTO_UDP, true},
		{"10.206.0.0/16", "10.206.0.2", "127.0.0.1", unix.IPPROTO_ICMP, true}, // the policy decides
		{"10.206.0.0/16", "10.206.0.2", "198.51.100.7", unix.IPPROTO_SCTP, false},
		{"10.206.0.0/16", "10.206.0.2", "10.206.0.1", unix.IPPROTO_UDP, false}, // the gateway
		{"10.206.0.0/16", "10.205.0.2", "198.51.100.7", unix.IPPROTO_TCP, false},
		{"10.206.0.0/16", "10.206.0.2", "224.0.0.251", unix.IPPROTO_UDP, false},
		{"10.206.0.0/29", "10.206.0.8", "198.51.100.7", unix.IPPROTO_TCP, false},
		{"fd70::/64", "fd70::2", "2001:db8::7", unix.IPPROTO_TCP, true},
		{"fd70::/64", "fd70::2", "fd70:0:0:1::7", unix.IPPROTO_FRAGMENT, true},
		{"fd70::/64", "fd70::2", "fd70::1:2:3", unix.IPPROTO_TCP, false},
		{"fd70::/96", "fd70::1:0:0:2", "2001:db8::7", unix.IPPROTO_TCP, false},
		{"fd70::/96", "fd70::3:2", "2001:db8::7", unix.IPPROTO_ICMPV6, true},
		{"fd70::/64", "fd70::2", "fe80::1", unix.IPPROTO_ICMPV6, false},
		{"fd70::/64", "fd70::2", "ff02::1", unix.IPPROTO_UDP, false},
	} {
		src, dst := netip.MustParseAddr(test.src), netip.MustParseAddr(test.dst)
		frame := make([]byte, ethernetLen+40)
		if src.Is4() {
			frame[ethernetLen+9] = test.protocol
			copy(frame[ethernetLen+12:], append(src.AsSlice(), dst.AsSlice()...))
		} else {
			frame[ethernetLen+6] = test.protocol
			copy(frame[ethernetLen+8:], append(src.AsSlice(), dst.AsSlice()...))
		}
		vm, err := bpf.NewVM(filterFor(netip.MustParsePrefix(test.pods))[3:])
		if err != nil {
			t.Fatal(err)
		}
		n, err := vm.Run(frame)
		if err != nil || (n > 0) != test.want {
			t.Errorf("%s → %s, protocol %d: passes %t, %v", test.src, test.dst, test.protocol, n > 0, err)
		}
		if n, err := vm.Run(frame[:ethernetLen+10]); err != nil || n > 0 {
			t.Errorf("a short frame passes: %d, %v", n, err)
		}
	}
}
