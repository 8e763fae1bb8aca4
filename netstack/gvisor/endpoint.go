package gvisor

import (
	"errors"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// A link is the stack's network card: a packet socket for each IP version on the hub's bridge. It sends as the bridge, and knows each
// Pod's MAC by computation, so it neither asks for nor answers anything on the Ethernet. What it cannot send is lost, as on a wire.
type link struct {
	version4, version6 packetSocket
	queue              int // what each may hold, in bytes
	mtu                uint32
	self               [6]byte
	neighbour          func(netip.Addr) (mac [6]byte, ok bool)

	receiving  sync.WaitGroup
	dispatcher stack.NetworkDispatcher
}

var (
	_ stack.LinkEndpoint = (*link)(nil)
	_ stack.GSOEndpoint  = (*link)(nil)
)

// start begins to receive. Packets go through the stack on the goroutine that has read them, up to the queue of their flow.
func (l *link) start() {
	for _, socket := range []packetSocket{l.version4, l.version6} {
		l.receiving.Go(func() { l.receive(socket) })
	}
}

// stop ends receiving, and returns when no packet is on its way up any more.
func (l *link) stop() {
	for _, socket := range []packetSocket{l.version4, l.version6} {
		_ = socket.file.SetReadDeadline(time.Unix(1, 0))
	}
	l.receiving.Wait()
}

// close follows stop. Sending goes to nowhere then.
func (l *link) close() error {
	return errors.Join(l.version4.file.Close(), l.version6.file.Close())
}

func (l *link) receive(socket packetSocket) {
	in := newInbox()
	defer in.close()
	for {
		// It fails only when stop says so.
		if err := socket.raw.Read(func(fd uintptr) bool { return l.receiveSome(int(fd), in) }); err != nil {
			return
		}
	}
}

// receiveSome tells whether it gave up its turn rather than ran out of packets. An error of recvmsg is that of one packet, which is gone
// (EINVAL: cut by an offload that struct virtio_net_hdr cannot name), or of the link (ENETDOWN), which may come up again.
func (l *link) receiveSome(fd int, in *inbox) bool {
	for range 64 {
		length, err := in.read(fd)
		if errors.Is(err, unix.EAGAIN) {
			return false
		}
		if err == nil {
			l.deliver(in, length)
		}
	}
	return true
}

func (l *link) deliver(in *inbox, length int) {
	f, ok := parseFrame(&in.head, in.view.AsSlice()[:length])
	switch {
	case !ok:
	case f.datagrams:
		for _, p := range splitDatagrams(f) {
			l.deliverPacket(f.version, buffer.MakeWithData(p))
		}
	default:
		l.deliverPacket(f.version, in.take(length))
	}
}

func (l *link) deliverPacket(version byte, payload buffer.Buffer) {
	protocol := header.IPv4ProtocolNumber
	if version == 6 {
		protocol = header.IPv6ProtocolNumber
	}
	packet := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: payload})
	packet.NetworkProtocolNumber = protocol
	l.dispatcher.DeliverNetworkPacket(protocol, packet)
	packet.DecRef()
}

// MTU of the bridge and of each Pod's link.
func (l *link) MTU() uint32 { return l.mtu }

// Capabilities: who sent a packet without a checksum is the machine itself, so there is none to verify. Of what goes out, the
// checksum of TCP segments is left to the kernel (see GSOMaxSize), which mostly has nothing to do for it either.
func (l *link) Capabilities() stack.LinkEndpointCapabilities {
	return stack.CapabilityRXChecksumOffload
}

// SupportedGSO lets the stack hand over segments that are longer than what the Pod takes at once, and without checksum.
func (l *link) SupportedGSO() stack.SupportedGSO { return stack.HostGSOSupported }

// GSOMaxSize is the longest IPv4 packet.
func (l *link) GSOMaxSize() uint32 { return 1<<16 - 1 }

// The Ethernet header is made by WritePackets, so for the stack this is a link without addresses of its own.

func (l *link) MaxHeaderLength() uint16                   { return 0 }
func (l *link) LinkAddress() tcpip.LinkAddress            { return "" }
func (l *link) SetLinkAddress(tcpip.LinkAddress)          {}
func (l *link) SetMTU(uint32)                             {}
func (l *link) ARPHardwareType() header.ARPHardwareType   { return header.ARPHardwareNone }
func (l *link) AddHeader(*stack.PacketBuffer)             {}
func (l *link) ParseHeader(*stack.PacketBuffer) bool      { return true }
func (l *link) Attach(dispatcher stack.NetworkDispatcher) { l.dispatcher = dispatcher }
func (l *link) IsAttached() bool                          { return l.dispatcher != nil }
func (l *link) Wait()                                     { l.receiving.Wait() }
func (l *link) Close()                                    {}
func (l *link) SetOnCloseAction(func())                   {}
