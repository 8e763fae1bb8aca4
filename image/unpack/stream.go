package unpack

import (
	"crypto/sha256"
	"hash"
	"io"
	"sync"
)

// A layer's stream is read and hashed by one goroutine and used by another; blocks travel between them in a ring. So
// whatever the reader does (receive, inflate) overlaps with writing files, in memory of blockSize*ringSize per layer.
const (
	blockSize = 256 << 10
	ringSize  = 4
)

var blocks = sync.Pool{New: func() any { return new([blockSize]byte) }}

type block struct {
	buf *[blockSize]byte
	n   int
}

// stream is the reading end of the ring.
type stream struct {
	full, free chan block
	quit       chan struct{} // closed when the user wants no more

	// Written by fill; to be read after full is closed.
	hash hash.Hash
	size int64
	err  error // nil after the last byte

	// The user's side.
	now    block
	rest   []byte // of now
	offset int64  // bytes used
	failed error  // err, once the user met it
}

func newStream(r io.Reader, limit int64) *stream {
	s := &stream{
		full: make(chan block, ringSize), free: make(chan block, ringSize),
		quit: make(chan struct{}), hash: sha256.New(),
	}
	for range ringSize {
		s.free <- block{buf: blocks.Get().(*[blockSize]byte)}
	}
	go s.fill(r, limit)
	return s
}

// fill is the goroutine that reads.
func (s *stream) fill(r io.Reader, limit int64) {
	defer close(s.full)
	for {
		var b block
		select {
		case b = <-s.free:
		case <-s.quit:
			return
		}
		var err error
		b.n, err = s.readBlock(r, b.buf[:])
		s.hash.Write(b.buf[:b.n])
		s.size += int64(b.n)
		if limit > 0 && s.size > limit {
			s.err = &LimitError{Limit: limit}
			return
		}
		s.full <- b // never blocks: there are not more blocks than places
		if err != nil {
			if err != io.EOF {
				s.err = err
			}
			return
		}
	}
}

// readBlock fills p unless the stream ends, an error comes or the user wants no more.
func (s *stream) readBlock(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		select {
		case <-s.quit:
			return n, io.EOF
		default:
		}
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	return n, err
}

// close waits until the reader is no longer touched, and gives the memory back.
func (s *stream) close() {
	close(s.quit)
	for b := range s.full { // until fill closes it, as its last act
		blocks.Put(b.buf)
	}
	close(s.free)
	for b := range s.free {
		blocks.Put(b.buf)
	}
	if s.now.buf != nil {
		blocks.Put(s.now.buf)
	}
	s.now, s.rest = block{}, nil
}

// peek returns the next bytes, at least one and at most n of them, valid until the next call. At the end it is io.EOF.
func (s *stream) peek(n int64) ([]byte, error) {
	for len(s.rest) == 0 {
		if s.now.buf != nil {
			s.free <- block{buf: s.now.buf}
			s.now = block{}
		}
		b, ok := <-s.full
		if !ok {
			if s.failed = s.err; s.failed != nil {
				return nil, s.failed
			}
			return nil, io.EOF
		}
		s.now, s.rest = b, b.buf[:b.n]
	}
	return s.rest[:min(n, int64(len(s.rest)))], nil
}

// skip uses up n bytes that peek returned.
func (s *stream) skip(n int) {
	s.rest = s.rest[n:]
	s.offset += int64(n)
}
