package inflate

import (
	"hash/crc32"
	"io"
	"sync"
)

const (
	history   = 32 << 10  // how far back a match may reach, RFC 1951 section 2
	windowEnd = 288 << 10 // decoding pauses when the window is filled to here
)

// buffers are the large parts of a Reader, worth using again.
type buffers struct {
	in     [inSize]byte
	window window
	litlen [litlenSize]uint32
	dist   [distSize]uint32
	code   prefixCode
}

var pool = sync.Pool{New: func() any { return new(buffers) }}

// Reader decompresses one gzip file. It is not safe for concurrent use.
type Reader struct {
	*buffers      // nil after Close
	input         // the compressed side
	wr, rd    int // window[rd:wr] is decoded, and not yet handed out
	start     int // where in the window the member begins, 0 if that is no longer there
	summed    int // window[:summed] is in crc and size
	crc, size uint32
	step      step
	last      bool  // the current block is the member's last one
	fixed     bool  // litlen and dist hold the fixed codes
	stored    int   // bytes that the stored block still has
	err       error // what comes after window[rd:wr]
}

// step is what a Reader does next with its input; it returns what follows. A step waits for the input it needs, and comes
// back to be called again only when there is too little space in the window or it has made some progress.
type step func(*Reader) (step, error)

// NewReader returns a Reader of what a gzip file (RFC 1952, all its members, as gzip reads it) contains. It reads r in
// large pieces and to its end, and nothing before the first call of Read or WriteTo. An error of r other than io.EOF
// comes out unchanged, after all that could be decoded before it.
func NewReader(r io.Reader) *Reader {
	d := new(Reader)
	d.Reset(r)
	return d
}

// Reset makes d read another file, from its beginning. A closed Reader is open again.
func (d *Reader) Reset(r io.Reader) {
	b := d.buffers
	if b == nil {
		b = pool.Get().(*buffers)
	}
	*d = Reader{buffers: b, input: input{source: r}, step: (*Reader).firstMember}
}

// Close gives the buffers back for the next Reader. It does not close what d reads from. Closing twice does no harm.
func (d *Reader) Close() error {
	if d.buffers != nil {
		pool.Put(d.buffers)
	}
	*d = Reader{err: ErrClosed}
	return nil
}

// Read hands out decompressed bytes. They are tentative until it returns io.EOF, as a member's checksum is at its end.
func (d *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if d.rd == d.wr {
		d.fill()
	}
	if d.rd == d.wr {
		return 0, d.err
	}
	n := copy(p, d.window[d.rd:d.wr])
	d.rd += n
	return n, nil
}

// WriteTo hands all that is left to w in large pieces, which w must not keep or change.
func (d *Reader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		if d.rd == d.wr {
			d.fill()
		}
		if d.rd == d.wr {
			if d.err == io.EOF {
				return total, nil
			}
			return total, d.err
		}
		piece := d.window[d.rd:d.wr]
		n, err := w.Write(piece)
		d.rd += max(0, min(n, len(piece)))
		total += int64(n)
		if err == nil && n != len(piece) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return total, err
		}
	}
}

// fill decodes until the window is full or the file ends. Precondition: everything is handed out.
func (d *Reader) fill() {
	if d.err != nil {
		return
	}
	d.slide()
	for d.err == nil && d.wr < windowEnd {
		d.step, d.err = d.step(d)
	}
	d.sum()
}

// slide makes space in the window: only what matches may still refer to stays.
func (d *Reader) slide() {
	if d.wr <= history {
		return
	}
	gone := d.wr - history
	copy(d.window[:history], d.window[gone:d.wr])
	d.start = max(0, d.start-gone)
	d.rd, d.wr, d.summed = history, history, history
}

// sum takes what was decoded since the last call into the member's checksum and length.
func (d *Reader) sum() {
	fresh := d.window[d.summed:d.wr]
	d.crc = crc32.Update(d.crc, crc32.IEEETable, fresh)
	d.size += uint32(len(fresh))
	d.summed = d.wr
}
