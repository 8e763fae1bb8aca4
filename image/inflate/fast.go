package inflate

import (
	"encoding/binary"
	"math/bits"
)

const (
	// symbolAhead is what fast needs before it begins with a symbol.
	symbolAhead = 32
	windowSlack = 1 << 10
)

func (d *Reader) fast() (done bool, err error) {
	var (
		in     = &d.in
		window = &d.window
		litlen = &d.litlen
		dist   = &d.dist
		pos    = uint(d.pos)
		wr     = uint(d.wr)
		start  = uint(d.start)
		end    = uint(d.end - symbolAhead)
		buf    = d.bits
		count  = uint64(d.count)
	)
	buf |= binary.LittleEndian.Uint64(in[pos&inMask:]) << (count & 63)
	pos += uint(^count>>3) & 7
	count |= 56
	e := litlen[buf&(1<<litlenBits-1)]
	for pos <= end && wr < windowEnd {
		buf |= binary.LittleEndian.Uint64(in[pos&inMask:]) << (count & 63)
		pos += uint(^count>>3) & 7
		count |= 56
		if e&entryCount != 0 {
			buf >>= e & 63
			count -= uint64(e)
			binary.LittleEndian.PutUint32(window[wr:], bits.RotateLeft32(e, -8))
			wr += uint(e >> 6 & 3)
			e = litlen[buf&(1<<litlenBits-1)]
			if e&entryCount != 0 {
				buf >>= e & 63
				count -= uint64(e)
				binary.LittleEndian.PutUint32(window[wr:], bits.RotateLeft32(e, -8))
				wr += uint(e >> 6 & 3)
				e = litlen[buf&(1<<litlenBits-1)]
				if e&entryCount != 0 {
					buf >>= e & 63
					count -= uint64(e)
					binary.LittleEndian.PutUint32(window[wr:], bits.RotateLeft32(e, -8))
					wr += uint(e >> 6 & 3)
					e = litlen[buf&(1<<litlenBits-1)]
					continue
				}
			}
		}
		if e&entrySpecial != 0 {
			if e&entryLink != 0 {
				buf >>= litlenBits
				count -= litlenBits
				e = litlen[uint64(e>>16)+buf&(1<<(e>>8&15)-1)]
				if e&entryCount != 0 {
					buf >>= e & 63
					count -= uint64(e)
					window[wr] = byte(e >> 8)
					wr++
					e = litlen[buf&(1<<litlenBits-1)]
					continue
				}
			}
			if e&entrySpecial != 0 {
				buf >>= e & 63
				count -= uint64(e)
				if done = e&entryEnd != 0; !done {
					err = ErrCode
				}
				break
			}
		}
		saved := buf
		buf >>= e & 63
		count -= uint64(e)
		length := uint(e>>16) + uint(saved&(1<<(e&63)-1)>>(e>>8&15))
		buf |= binary.LittleEndian.Uint64(in[pos&inMask:]) << (count & 63)
		pos += uint(^count>>3) & 7
		count |= 56
		e = dist[buf&(1<<distBits-1)]
		if e&entrySpecial != 0 {
			if e&entryLink != 0 {
				buf >>= distBits
				count -= distBits
				e = dist[uint64(e>>16)+buf&(1<<(e>>8&15)-1)]
			}
			if e&entrySpecial != 0 {
				err = ErrCode
				break
			}
		}
		saved = buf
		buf >>= e & 63
		count -= uint64(e)
		far := uint(e>>16) + uint(saved&(1<<(e&63)-1)>>(e>>8&15))
		e = litlen[buf&(1<<litlenBits-1)]
		if far > wr-start {
			err = ErrDistance
			break
		}
		if far >= 16 && length <= 32 {
			dst := (*[32]byte)(window[wr:])
			src := (*[32]byte)(window[wr-far:])
			copy(dst[:16], src[:16])
			copy(dst[16:], src[16:])
		} else {
			copyMatch(window, wr, far, length)
		}
		wr += length
	}
	d.pos, d.wr = int(pos), int(wr)
	d.count = uint(count & 63)
	d.bits = buf & (1<<d.count - 1)
	if err != nil {
		d.giveBack()
		err = d.wrong(err)
	}
	return done, err
}

func copyMatch(window *[windowEnd + windowSlack]byte, wr, far, length uint) {
	length &= 511
	dst := (*[528]byte)(window[wr:])
	src := (*[528]byte)(window[wr-far:])
	switch {
	case far >= 16:
		for i := uint(0); i < length; i += 16 {
			copy(dst[i:i+16], src[i:i+16])
		}
	case far >= 8:
		for i := uint(0); i < length; i += 8 {
			copy(dst[i:i+8], src[i:i+8])
		}
	case far == 1:
		v := uint64(src[0]) * 0x0101010101010101
		for i := uint(0); i < length; i += 8 {
			binary.LittleEndian.PutUint64(dst[i:i+8], v)
		}
	default:
		for i := uint(0); i < length; i++ {
			dst[i] = src[i]
		}
	}
}
