package gvisor

import (
	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
)

// An inbox reads frames. It keeps the packet's bytes in a view, the stack's kind of buffer, which goes up the stack without being copied if
// it is filled well; of few bytes the stack gets a copy in little memory.
type inbox struct {
	head   [headLen]byte
	view   *buffer.View
	beyond [1]byte // of a frame that does not fit
	parts  [][]byte
}

// roomForPacket is the stack's largest pooled buffer. A packet says its length in 16 bits; the longest of IPv6, which do not count their
// header there, are longer than any link here lets pass.
const roomForPacket = buffer.MaxChunkSize

func newInbox() *inbox {
	in := &inbox{}
	in.parts = [][]byte{in.head[:], nil, in.beyond[:]}
	in.refill()
	return in
}

func (in *inbox) refill() {
	in.view = buffer.NewViewSize(roomForPacket)
	in.parts[1] = in.view.AsSlice()
}

func (in *inbox) close() { in.view.Release() }

// read reads one frame and returns the length of its packet; zero if it is none of ours.
func (in *inbox) read(fd int) (int, error) {
	n, err := unix.Readv(fd, in.parts)
	if err != nil || n <= headLen || n > headLen+roomForPacket {
		return 0, err
	}
	return n - headLen, nil
}

// take gives away the bytes of a packet of that length.
func (in *inbox) take(length int) buffer.Buffer {
	if length <= roomForPacket/2 {
		return buffer.MakeWithData(in.view.AsSlice()[:length])
	}
	full := in.view
	in.refill()
	full.CapLength(length)
	return buffer.MakeWithView(full)
}
