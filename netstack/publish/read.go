package publish

import (
	"errors"
	"net"
	"sync"

	"golang.org/x/sys/unix"
)

// buffers are as large as a datagram can be.
var buffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// eachPacket calls f with every datagram that c gets and read reads, until reading fails. A buffer is held only from the moment when
// there is something to read until f returns.
func eachPacket(c *net.UDPConn, read func(fd int, b []byte) (int, error), f func(b []byte)) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	for {
		var buf *[64 << 10]byte
		var n int
		var failed error
		err := raw.Read(func(fd uintptr) (done bool) {
			buf = buffers.Get().(*[64 << 10]byte)
			if n, failed = read(int(fd), buf[:]); failed != nil {
				buffers.Put(buf)
			}
			return !errors.Is(failed, unix.EAGAIN)
		})
		switch {
		case err != nil:
			return err
		case failed == nil:
			f(buf[:n])
			buffers.Put(buf)
		case !errors.Is(failed, unix.EINTR):
			return failed
		}
	}
}
