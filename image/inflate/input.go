package inflate

import (
	"encoding/binary"
	"io"
)

const (
	inMask = 64<<10 - 1
	inSize = inMask + 1 + 8 // a load of 8 bytes at any masked index is inside
	// blockAhead is more than a block's header takes: 14 bits, 19 lengths of 3 bits, 316 code lengths of up to 14 bits.
	blockAhead = 1 << 10
)

// input is the compressed side of a Reader: in[pos:end] comes after bits. Between steps fewer than 8 bits are held, so what
// is aligned to bytes can be read at pos once they are dropped.
type input struct {
	source   io.Reader
	before   int64 // bytes of the file before in[0]
	pos, end int
	bits     uint64 // the next bits of the file, first one lowest; zero above count
	count    uint   // how many they are
	failed   error  // of source: nothing comes after in[:end]
}

// ahead makes at least n bytes available at pos, unless the file ends before that. n is at most blockAhead.
func (d *Reader) ahead(n int) {
	if d.end-d.pos >= n || d.failed != nil {
		return
	}
	d.before += int64(d.pos)
	d.end = copy(d.in[:], d.in[d.pos:d.end])
	d.pos = 0
	for idle := 0; d.end < n && d.failed == nil; {
		got, err := d.source.Read(d.in[d.end : inMask+1])
		if got < 0 || got > inMask+1-d.end {
			panic("inflate: source returned an invalid count from Read")
		}
		d.end += got
		d.failed = err
		if idle++; got > 0 {
			idle = 0
		} else if idle == 100 && err == nil {
			d.failed = io.ErrNoProgress
		}
	}
}

// short is the error for input that ends too early: what the source said, if it said more than that.
func (d *Reader) short() error {
	if d.failed != io.EOF {
		return d.failed
	}
	d.pos, d.bits, d.count = d.end, 0, 0
	return d.wrong(ErrUnexpectedEnd)
}

// wrong places cause at the current byte.
func (d *Reader) wrong(cause error) error {
	d.giveBack()
	return &Error{Offset: d.before + int64(d.pos), Cause: cause}
}

// refill takes bytes into bits until there are at least 56, or no more bytes.
func (d *Reader) refill() {
	if d.end-d.pos >= 8 {
		d.bits |= binary.LittleEndian.Uint64(d.in[d.pos:]) << (d.count & 63)
		taken := (63 - d.count) >> 3
		d.pos += int(taken)
		d.count += taken << 3
		d.bits &= 1<<(d.count&63) - 1
		return
	}
	for d.count < 56 && d.pos < d.end {
		d.bits |= uint64(d.in[d.pos]) << d.count
		d.pos++
		d.count += 8
	}
}

// giveBack returns whole bytes from bits to the input.
func (d *Reader) giveBack() {
	d.pos -= int(d.count >> 3)
	d.count &= 7
	d.bits &= 1<<d.count - 1
}

// take removes n bits, at most 16, and returns them. Precondition: ahead was called for what is being read.
func (d *Reader) take(n uint) (int, bool) {
	if d.count < n {
		d.refill()
		if d.count < n {
			return 0, false
		}
	}
	v := int(d.bits & (1<<n - 1))
	d.bits >>= n
	d.count -= n
	return v, true
}
