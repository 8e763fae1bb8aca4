package relay

import (
	"errors"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

var pools [len(readSizes)]sync.Pool // of buffers of readSizes

func take(class uint8) *[]byte {
	if b, ok := pools[class].Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, readSizes[class])
	return &b
}

func giveBack(class uint8, b *[]byte) { pools[class].Put(b) }

// A reader reads from a socket, and holds a buffer only from the moment when there is something to read until done.
type reader struct {
	raw   syscall.RawConn
	read  func(fd int, b []byte) (int, error)
	class uint8
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

// splice copies both ways until both directions have ended, and closes both connections.
func splice(a, b *net.TCPConn) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		forward(a, b)
	}()
	forward(b, a)
	<-done
	_ = a.Close()
	_ = b.Close()
}

// forward copies one direction and passes on how it ended. An error resets both connections, and so ends the other direction.
func forward(dst, src *net.TCPConn) {
	if err := copyStream(dst, src); err != nil {
		reset(src)
		reset(dst)
	}
}

// reset closes a connection with RST instead of FIN: socket(7), SO_LINGER of zero seconds. Data not yet sent is lost.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}
