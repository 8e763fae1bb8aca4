package relay

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// keepAlive is what streamOptions have.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 2 * time.Minute, Interval: 30 * time.Second, Count: 6}

// Carry copies both ways between two connections until both directions have ended, and closes them. The end of one direction is passed
// on as such, an error as a reset of both. Peers that vanish without a word are found.
func Carry(a, b *net.TCPConn) {
	for _, c := range []*net.TCPConn{a, b} {
		_ = c.SetKeepAliveConfig(keepAlive) // without it only a vanished peer is found later
	}
	splice(a, b)
}

// Reset closes a connection with RST.
func Reset(c *net.TCPConn) { reset(c) }

// EachPacket calls f with every datagram that c gets, until reading fails. A buffer is held only while f has it. The datagrams are
// read by read, or with nil simply so.
func EachPacket(c *net.UDPConn, read func(fd int, b []byte) (int, error), f func(b []byte)) error {
	if read == nil {
		read = unix.Read
	}
	in, err := newReader(c, read)
	for err == nil {
		var b []byte
		if b, err = in.next(); err == nil {
			f(b)
			in.done()
		}
	}
	return err
}
