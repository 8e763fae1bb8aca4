package gvisor

import (
	"errors"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Buffers are held only while bytes move, so an idle flow has none.
var (
	streamBuffers   = newBuffers(256 << 10)
	datagramBuffers = newBuffers(64 << 10) // what UDP and ICMP can send at once
)

type buffers struct{ pool sync.Pool }

func newBuffers(size int) *buffers {
	return &buffers{sync.Pool{New: func() any { b := make([]byte, size); return &b }}}
}

func (s *buffers) take() *[]byte      { return s.pool.Get().(*[]byte) }
func (s *buffers) giveBack(b *[]byte) { s.pool.Put(b) }

// A reader reads from a socket of the host, and holds a buffer only from the moment when there is something to read until done.
type reader struct {
	raw     syscall.RawConn
	buffers *buffers
	buf     *[]byte
	n       int
	err     error
}

func newReader(c syscall.Conn, from *buffers) (*reader, error) {
	raw, err := c.SyscallConn()
	return &reader{raw: raw, buffers: from}, err
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
	r.buffers.giveBack(r.buf)
	r.buf = nil
}

// try is what RawConn.Read calls whenever the socket may be readable; false means to wait.
func (r *reader) try(fd uintptr) bool {
	r.buf = r.buffers.take()
	for {
		r.n, r.err = unix.Read(int(fd), *r.buf)
		if !errors.Is(r.err, unix.EINTR) {
			break
		}
	}
	if r.err != nil {
		r.done()
	}
	return !errors.Is(r.err, unix.EAGAIN)
}
