package relay

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Numbers of linux/netfilter/nfnetlink_queue.h and linux/netfilter.h.
const (
	nfnlSubsysQueue = 3 << 8
	msgPacket       = nfnlSubsysQueue // | 0
	msgVerdict      = nfnlSubsysQueue | 1
	msgConfig       = nfnlSubsysQueue | 2

	attrPacketHeader  = 1
	attrVerdictHeader = 2
	attrPayload       = 10

	configCommand  = 1
	configParams   = 2
	configMaxLen   = 3
	commandBind    = 1
	copyPacketMode = 2

	verdictDrop   = 0
	verdictAccept = 1
)

const (
	nlHeader = unix.SizeofNlMsghdr
	nfHeader = 4 // struct nfgenmsg: family, version, number of the queue in network order

	// netlinkHeaders are those that an answer begins with.
	netlinkHeaders = nlHeader + nfHeader
)

// A queue is a netlink socket to one of the kernel's packet queues: packets wait in the kernel until they get their verdict.
type queue struct {
	fd     int
	number uint16
}

// openQueue takes a queue that nobody has. It must run on a thread in the hub. copied is how much of a packet is wanted; packets
// beyond length are dropped. errors.ErrUnsupported is in the error if the kernel has no queues.
func openQueue(copied, length uint32) (*queue, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("open packet queue: %w: %w", errors.ErrUnsupported, err)
	}
	q := &queue{fd: fd}
	if err := q.configure(copied, length); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("open packet queue: %w", err)
	}
	return q, nil
}

func (q *queue) configure(copied, length uint32) error {
	// Packets that do not fit are lost, which needs no word of the kernel. A large buffer makes that rare.
	_ = unix.SetsockoptInt(q.fd, unix.SOL_NETLINK, unix.NETLINK_NO_ENOBUFS, 1)
	_ = unix.SetsockoptInt(q.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20)
	if err := q.bind(); err != nil {
		return err
	}
	params := append(binary.BigEndian.AppendUint32(nil, copied), copyPacketMode)
	if err := q.ask(configParams, params); err != nil {
		return err
	}
	return q.ask(configMaxLen, binary.BigEndian.AppendUint32(nil, length))
}

// bind looks for a free number: the process before this one may still have its queues.
func (q *queue) bind() error {
	for q.number = 1; q.number < 64; q.number++ {
		err := q.ask(configCommand, []byte{commandBind, 0, 0, 0})
		switch {
		case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EPERM):
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP):
			return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
		default:
			return err
		}
	}
	return unix.EBUSY
}

// ask sends one setting and waits for the acknowledgement. Packets that come before are lost, and sent again.
func (q *queue) ask(attr uint16, value []byte) error {
	if err := unix.Sendto(q.fd, netlinkMessage(msgConfig, unix.NLM_F_ACK, q.number, attr, value), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	buf := make([]byte, 4096)
	for {
		n, err := receive(q.fd, buf, 0)
		if err != nil {
			return err
		}
		if n >= nlHeader+4 && binary.NativeEndian.Uint16(buf[4:]) == unix.NLMSG_ERROR {
			if errno := -int32(binary.NativeEndian.Uint32(buf[nlHeader:])); errno != 0 {
				return unix.Errno(errno)
			}
			return nil
		}
	}
}

// verdict lets a packet pass on to the next hook, or drops it. A packet that is gone meanwhile is no error.
func (q *queue) verdict(id uint32, accept bool) {
	value := binary.BigEndian.AppendUint32(make([]byte, 0, 8), verdictDrop)
	if accept {
		value[3] = verdictAccept
	}
	value = binary.BigEndian.AppendUint32(value, id)
	_, _ = send(q.fd, netlinkMessage(msgVerdict, 0, q.number, attrVerdictHeader, value))
}

// netlinkMessage is one message with one attribute, padded.
func netlinkMessage(kind, flags, queue, attr uint16, value []byte) []byte {
	padded := (len(value) + 3) &^ 3
	b := make([]byte, 0, netlinkHeaders+unix.SizeofNlAttr+padded)
	b = binary.NativeEndian.AppendUint32(b, uint32(cap(b)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags|unix.NLM_F_REQUEST)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	b = append(b, unix.AF_UNSPEC, 0)
	b = binary.BigEndian.AppendUint16(b, queue)
	b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofNlAttr+len(value)))
	b = binary.NativeEndian.AppendUint16(b, attr)
	b = append(b, value...)
	return b[:cap(b)]
}

// A queued packet is in the kernel until it gets a verdict. The payload is its beginning, from the IP header on.
type queued struct {
	id      uint32
	payload []byte
}

// parseQueued reads one message of a queue, and gives back what is behind it.
func parseQueued(b []byte) (p queued, rest []byte, ok bool) {
	if len(b) < netlinkHeaders {
		return queued{}, nil, false
	}
	length := int(binary.NativeEndian.Uint32(b))
	if length < netlinkHeaders || length > len(b) {
		return queued{}, nil, false
	}
	rest = b[min(len(b), (length+3)&^3):]
	if binary.NativeEndian.Uint16(b[4:]) != msgPacket {
		return queued{}, rest, false
	}
	haveID := false
	for a := b[netlinkHeaders:length]; len(a) >= unix.SizeofNlAttr; {
		size := int(binary.NativeEndian.Uint16(a))
		if size < unix.SizeofNlAttr || size > len(a) {
			break
		}
		value := a[unix.SizeofNlAttr:size]
		switch kind := binary.NativeEndian.Uint16(a[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER); {
		case kind == attrPacketHeader && len(value) >= 4:
			p.id, haveID = binary.BigEndian.Uint32(value), true
		case kind == attrPayload:
			p.payload = value
		}
		a = a[min(len(a), (size+3)&^3):]
	}
	return p, rest, haveID
}
