package relay

import (
	"errors"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// sizes of buffers, in bytes. A flow starts small, takes the next size when it has filled one and the one below when it
// hardly uses it: few system calls where much moves, little memory where little does. A datagram fits the first.
var sizes = [...]int{64 << 10, 256 << 10, 1 << 20}

var pools [len(sizes)]sync.Pool

func take(class int) *[]byte {
	if b, ok := pools[class].Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, sizes[class])
	return &b
}

func giveBack(class int, b *[]byte) { pools[class].Put(b) }

// nextClass chooses the buffer for the next read from what the last one got.
func nextClass(class, got int) int {
	switch {
	case got == sizes[class] && class < len(sizes)-1:
		return class + 1
	case class > 0 && got < sizes[class-1]/2:
		return class - 1
	}
	return class
}

// A reader reads from a socket, and holds a buffer only from the moment when there is something to read until done.
type reader struct {
	raw   syscall.RawConn
	read  func(fd int, b []byte) (int, error)
	class int
	buf   *[]byte
	n     int
	err   error
}

func newReader(c syscall.Conn, read func(fd int, b []byte) (int, error)) (*reader, error) {
	raw, err := c.SyscallConn()
	return &reader{raw: raw, read: read}, err
}

// next waits for data. The bytes are valid until done, which must follow if there is no error.
func (r *reader) next() ([]byte, error) {
	if err := r.raw.Read(r.try); err != nil {
		return nil, err
	}
	if r.err != nil {
		return nil, r.err
	}
	return (*r.buf)[:r.n], nil
}

func (r *reader) done() {
	giveBack(r.class, r.buf)
	r.buf = nil
}

// try is what RawConn.Read calls whenever the socket may be readable; false means to wait.
func (r *reader) try(fd uintptr) bool {
	r.buf = take(r.class)
	for {
		r.n, r.err = r.read(int(fd), *r.buf)
		if !errors.Is(r.err, unix.EINTR) {
			break
		}
	}
	if r.err != nil {
		r.done()
	}
	return !errors.Is(r.err, unix.EAGAIN)
}

// copyStream copies until src ends and then ends dst's side. The error is nil if that went well.
func copyStream(dst, src *net.TCPConn) error {
	r, err := newReader(src, unix.Read)
	if err != nil {
		return err
	}
	for {
		b, err := r.next()
		if err != nil {
			return err
		}
		if len(b) == 0 {
			r.done()
			return dst.CloseWrite()
		}
		_, err = dst.Write(b)
		class := nextClass(r.class, len(b))
		r.done()
		if err != nil {
			return err
		}
		r.class = class
	}
}
