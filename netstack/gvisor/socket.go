package gvisor

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
)

// queueSize is how much a packet socket may hold for a reader that has not come yet, in bytes. The kernel counts what a packet occupies,
// a little more than 64 KiB for a long one, and grants no more than net.core.rmem_max.
const queueSize = 4 << 20

// A packetSocket sends and receives frames.
type packetSocket struct {
	file *os.File
	raw  syscall.RawConn
}

// send does not wait: what the kernel does not take now is lost, and TCP sends it again.
func (s packetSocket) send(parts [][]byte) tcpip.Error {
	var errno error
	err := s.raw.Control(func(fd uintptr) { _, errno = unix.Writev(int(fd), parts) })
	switch {
	case err != nil:
		return &tcpip.ErrClosedForSend{}
	case errors.Is(errno, unix.EAGAIN), errors.Is(errno, unix.ENOBUFS):
		return &tcpip.ErrNoBufferSpace{}
	case errno != nil:
		return &tcpip.ErrAborted{}
	}
	return nil
}

// queue is what the kernel has granted of queueSize.
func (s packetSocket) queue() (size int, err error) {
	control := s.raw.Control(func(fd uintptr) { size, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF) })
	return size, errors.Join(control, err)
}

// openPacketSocket opens a socket that gets, of one IP version, what Pods send by way of the link to addresses outside their range. It
// must run on a thread in the hub. packet(7): it needs CAP_NET_RAW in the user namespace of the network namespace.
//
// The protocol is named only by bind, when the filter is in place: before, the socket would get packets of all links.
func openPacketSocket(link int, pods netip.Prefix) (s packetSocket, err error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return s, lacking("CONFIG_PACKET", err)
	}
	s.file = os.NewFile(uintptr(fd), "packets of "+pods.String())
	if s.raw, err = s.file.SyscallConn(); err == nil {
		err = preparePacketSocket(fd, link, pods)
	}
	if err != nil {
		return s, errors.Join(err, s.file.Close())
	}
	return s, nil
}

func preparePacketSocket(fd, link int, pods netip.Prefix) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1); err != nil {
		return fmt.Errorf("ask packet socket for offload headers: %w", err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, queueSize)
	filter, err := bpf.Assemble(filterFor(pods))
	if err != nil {
		return err
	}
	program := make([]unix.SockFilter, len(filter))
	for i, f := range filter {
		program[i] = unix.SockFilter{Code: f.Op, Jt: f.Jt, Jf: f.Jf, K: f.K}
	}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}); err != nil {
		return fmt.Errorf("filter packet socket: %w", err)
	}
	kind := uint16(unix.ETH_P_IP)
	if pods.Addr().Is6() {
		kind = unix.ETH_P_IPV6
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: kind<<8 | kind>>8, Ifindex: link}); err != nil {
		return fmt.Errorf("bind packet socket: %w", err)
	}
	return nil
}

func lacking(option string, err error) error {
	if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EPROTONOSUPPORT) {
		return fmt.Errorf("open packet socket: %w: the kernel lacks %s: %w", errors.ErrUnsupported, option, err)
	}
	return fmt.Errorf("open packet socket: %w", err)
}

// closedTo4 and closedTo6 are never routed beyond a link: what Pods send there stays among them.
var (
	closedTo4 = []netip.Prefix{netip.MustParsePrefix("224.0.0.0/4")}
	closedTo6 = []netip.Prefix{netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("ff00::/8")}
)

// filterFor lets pass what comes from the range and goes out of it, addressed to this machine as to a router: TCP, UDP, ICMP, and
// fragments. The same choice as the relay engine's rules make. Offsets are those of RFC 791 and RFC 8200; the filter sees the Ethernet
// header, too. A load beyond the packet's end drops it.
func filterFor(pods netip.Prefix) []bpf.Instruction {
	source, protocolAt, closed := uint32(ethernetLen+12), uint32(ethernetLen+9), closedTo4
	protocols := []uint32{unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_ICMP}
	if pods.Addr().Is6() {
		source, protocolAt, closed = ethernetLen+8, ethernetLen+6, closedTo6
		protocols = []uint32{unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_ICMPV6, unix.IPPROTO_FRAGMENT}
	}
	destination := source + uint32(pods.Addr().BitLen()/8)

	drop := []bpf.Instruction{bpf.RetConstant{Val: 0}}
	program := []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.PACKET_HOST, SkipTrue: 1},
		drop[0],
		bpf.LoadAbsolute{Off: protocolAt, Size: 1},
	}
	for i, p := range protocols {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpEqual, Val: p, SkipTrue: uint8(len(protocols) - i)})
	}
	program = append(program, drop...)
	program = append(program, matchPrefix(pods, source, nil, drop)...)
	for _, p := range append([]netip.Prefix{pods}, closed...) {
		program = append(program, matchPrefix(p, destination, drop, nil)...)
	}
	return append(program, bpf.RetConstant{Val: 1<<32 - 1})
}

// matchPrefix compares an address with a prefix, word by word, and goes on with one or the other instructions, which must not be more
// than fit a jump, and then with what follows.
func matchPrefix(p netip.Prefix, at uint32, inside, outside []bpf.Instruction) []bpf.Instruction {
	words := (p.Bits() + 31) / 32
	address := p.Masked().Addr().AsSlice()
	var program []bpf.Instruction
	for i := range words {
		bits := min(p.Bits()-32*i, 32)
		mask := ^uint32(0) << (32 - bits)
		want := uint32(address[4*i])<<24 | uint32(address[4*i+1])<<16 | uint32(address[4*i+2])<<8 | uint32(address[4*i+3])
		toOutside := 3*(words-1-i) + len(inside) + 1 // the rest of the comparison, the inside, the jump over the outside
		program = append(program,
			bpf.LoadAbsolute{Off: at + uint32(4*i), Size: 4},
			bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: mask},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: want, SkipTrue: uint8(toOutside)})
	}
	program = append(program, inside...)
	program = append(program, bpf.Jump{Skip: uint32(len(outside))})
	return append(program, outside...)
}
