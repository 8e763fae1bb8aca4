package netstack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A message is one rtnetlink request: its fixed header and attributes, in the machine's byte order (netlink(7), rtnetlink(7)).
type message struct {
	what     string // the act, for errors
	kind     uint16
	flags    uint16
	body     []byte
	tolerate unix.Errno // an answer that means the wished state is there
}

// newMessage starts a message. The fields of the fixed header follow each other without gaps.
func newMessage(what string, kind, flags uint16, header ...any) *message {
	m := &message{what: what, kind: kind, flags: flags | unix.NLM_F_REQUEST}
	for _, field := range header {
		m.body, _ = binary.Append(m.body, binary.NativeEndian, field) // only integers are passed
	}
	return m
}

// accept makes one kernel answer count as success.
func (m *message) accept(errno unix.Errno) *message {
	m.tolerate = errno
	return m
}

// attr adds an attribute; its length excludes the padding to four bytes.
func (m *message) attr(kind uint16, value []byte) *message {
	m.body = binary.NativeEndian.AppendUint16(m.body, uint16(unix.SizeofRtAttr+len(value)))
	m.body = binary.NativeEndian.AppendUint16(m.body, kind)
	m.body = append(m.body, value...)
	for len(m.body)%unix.RTA_ALIGNTO != 0 {
		m.body = append(m.body, 0)
	}
	return m
}

func (m *message) attr8(kind uint16, value uint8) *message { return m.attr(kind, []byte{value}) }

func (m *message) attr32(kind uint16, value uint32) *message {
	return m.attr(kind, binary.NativeEndian.AppendUint32(nil, value))
}

func (m *message) attrString(kind uint16, value string) *message {
	return m.attr(kind, append([]byte(value), 0))
}

// nest adds an attribute that holds other attributes, and perhaps a fixed header before them.
func (m *message) nest(kind uint16, fill func(*message)) *message {
	inner := &message{}
	fill(inner)
	return m.attr(kind|unix.NLA_F_NESTED, inner.body)
}

// An rtnl is a routing socket of one network namespace. Its methods may be called from any goroutine and any thread.
type rtnl struct {
	mu  sync.Mutex
	fd  int
	seq uint32
}

// openRtnl opens a routing socket in the network namespace of the calling thread.
func openRtnl() (*rtnl, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open routing socket: %w", err)
	}
	// Both only improve and shorten the answers; kernels before 4.12 have neither.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	return &rtnl{fd: fd}, nil
}

func (c *rtnl) close() { _ = unix.Close(c.fd) }

// do sends all messages at once. The kernel works through them in order, whether or not one fails; the errors of all
// that failed are returned together.
func (c *rtnl) do(messages ...*message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	first, err := c.send(messages, unix.NLM_F_ACK)
	if err != nil {
		return err
	}
	failed := make([]error, len(messages))
	for pending := len(messages); pending > 0; {
		answers, err := c.receive()
		if err != nil {
			return fmt.Errorf("%s: %w", messages[len(messages)-pending].what, err)
		}
		for _, answer := range answers {
			i := int(answer.Header.Seq - first)
			if answer.Header.Type != unix.NLMSG_ERROR || i < 0 || i >= len(messages) {
				continue
			}
			failed[i] = messages[i].verdict(answer)
			pending--
		}
	}
	return errors.Join(failed...)
}

// ask sends one message and returns what it is answered with: one message, or all of a dump.
func (c *rtnl) ask(m *message) ([]syscall.NetlinkMessage, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.send([]*message{m}, 0); err != nil {
		return nil, err
	}
	var all []syscall.NetlinkMessage
	for {
		answers, err := c.receive()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.what, err)
		}
		for _, answer := range answers {
			switch answer.Header.Type {
			case unix.NLMSG_DONE:
				return all, nil
			case unix.NLMSG_ERROR:
				return nil, m.verdict(answer)
			}
			all = append(all, answer)
			if answer.Header.Flags&unix.NLM_F_MULTI == 0 {
				return all, nil
			}
		}
	}
}

func (c *rtnl) send(messages []*message, flags uint16) (first uint32, err error) {
	var b []byte
	first = c.seq + 1
	for _, m := range messages {
		c.seq++
		b = binary.NativeEndian.AppendUint32(b, uint32(unix.SizeofNlMsghdr+len(m.body)))
		b = binary.NativeEndian.AppendUint16(b, m.kind)
		b = binary.NativeEndian.AppendUint16(b, m.flags|flags)
		b = binary.NativeEndian.AppendUint32(b, c.seq)
		b = binary.NativeEndian.AppendUint32(b, 0)
		b = append(b, m.body...)
	}
	if err := unix.Sendto(c.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, fmt.Errorf("%s: %w", messages[0].what, err)
	}
	return first, nil
}

// receive does not wait: rtnetlink does its work within the send, and continues a dump within each receive.
func (c *rtnl) receive() ([]syscall.NetlinkMessage, error) {
	b := make([]byte, 64<<10)
	n, _, err := unix.Recvfrom(c.fd, b, unix.MSG_DONTWAIT)
	if err != nil {
		return nil, err
	}
	return syscall.ParseNetlinkMessage(b[:n])
}

// verdict turns the kernel's acknowledgement into an error, with the kernel's own words if it gave some.
func (m *message) verdict(answer syscall.NetlinkMessage) error {
	if len(answer.Data) < 4 {
		return fmt.Errorf("%s: short answer", m.what)
	}
	errno := unix.Errno(-int32(binary.NativeEndian.Uint32(answer.Data)))
	if errno == 0 || errno == m.tolerate {
		return nil
	}
	if words := kernelWords(answer); words != "" {
		return fmt.Errorf("%s: %w (%s)", m.what, errno, words)
	}
	return fmt.Errorf("%s: %w", m.what, errno)
}

// kernelWords is the NLMSGERR_ATTR_MSG (1) of an acknowledgement whose copy of the request was left out.
func kernelWords(answer syscall.NetlinkMessage) string {
	const tlvs = 4 + unix.SizeofNlMsghdr
	if answer.Header.Flags&unix.NLM_F_ACK_TLVS == 0 || len(answer.Data) < tlvs {
		return ""
	}
	return string(bytes.TrimRight(attributes(answer.Data[tlvs:])[1], "\x00"))
}

// attributes reads a sequence of attributes by kind. It stops at the first that does not fit.
func attributes(b []byte) map[uint16][]byte {
	found := make(map[uint16][]byte)
	for len(b) >= unix.SizeofRtAttr {
		length := int(binary.NativeEndian.Uint16(b))
		if length < unix.SizeofRtAttr || length > len(b) {
			break
		}
		kind := binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
		found[kind] = b[unix.SizeofRtAttr:length]
		b = b[min(len(b), (length+unix.RTA_ALIGNTO-1)&^(unix.RTA_ALIGNTO-1)):]
	}
	return found
}
