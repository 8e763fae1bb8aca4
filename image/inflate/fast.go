package inflate

import (
	"encoding/binary"
	"math/bits"
)

const (
	// symbolAhead is what fast wants of the input before each turn: two refills of at most 7 bytes, and that the load of 8
	// bytes in them stays inside.
	symbolAhead = 32
	// windowSlack is what a turn may write behind windowEnd: 9 literals and a match, of which copyMatch sees 528 bytes.
	windowSlack = 1 << 10
)

type window = [windowEnd + windowSlack]byte

// fast decodes until the block ends, the window is full or less than symbolAhead bytes of input are left.
//
// It is one long function so that its state stays in registers. What bounds it is the chain from one table entry over the
// shift of buf by it to the next entry; everything else fits beside that. So an entry is loaded before buf is refilled (it
// needs the lower bits only), and joined literals matter. Of count only the lower 6 bits are valid: subtracting a whole
// entry saves extracting its lowest bits. Bits of buf above count are the right ones, but not counted.
//
// A turn begins with at least 56 bits. Two literal entries take 22, a length at most 20. After another refill a distance
// takes at most 28, so 11 are left for the next turn's entry; likewise after three literal entries.
func (d *Reader) fast() (done bool, err error) {
	var (
		in, out      = &d.in, &d.window
		litlen, dist = &d.litlen, &d.dist
		pos, wr      = uint(d.pos), uint(d.wr)
		start        = uint(d.start)
		end          = uint(d.end - symbolAhead)
	)
	buf, count, pos := load(in, d.bits, uint64(d.count), pos)
	e := litlen[buf&(1<<litlenBits-1)]
	for pos <= end && wr < windowEnd {
		buf, count, pos = load(in, buf, count, pos)
		if e&entryCount != 0 {
			wr = putLiterals(out, wr, e)
			buf, count = drop(buf, count, e)
			e = litlen[buf&(1<<litlenBits-1)]
			if e&entryCount != 0 {
				wr = putLiterals(out, wr, e)
				buf, count = drop(buf, count, e)
				e = litlen[buf&(1<<litlenBits-1)]
				if e&entryCount != 0 {
					wr = putLiterals(out, wr, e)
					buf, count = drop(buf, count, e)
					e = litlen[buf&(1<<litlenBits-1)]
					continue
				}
			}
		}
		if e&entrySpecial != 0 {
			if e&entryLink != 0 {
				buf, count = drop(buf, count, litlenBits)
				e = litlen[uint64(e>>16)+buf&(1<<(e>>8&15)-1)]
				if e&entryCount != 0 {
					wr = putLiterals(out, wr, e)
					buf, count = drop(buf, count, e)
					e = litlen[buf&(1<<litlenBits-1)]
					continue
				}
			}
			if e&entrySpecial != 0 {
				if e&entryEnd == 0 {
					err = ErrCode
					break
				}
				buf, count = drop(buf, count, e)
				done = true
				break
			}
		}
		length := value(buf, e)
		buf, count = drop(buf, count, e)

		buf, count, pos = load(in, buf, count, pos)
		e = dist[buf&(1<<distBits-1)]
		if e&entrySpecial != 0 {
			if e&entryLink != 0 {
				buf, count = drop(buf, count, distBits)
				e = dist[uint64(e>>16)+buf&(1<<(e>>8&15)-1)]
			}
			if e&entrySpecial != 0 {
				err = ErrCode
				break
			}
		}
		far := value(buf, e)
		buf, count = drop(buf, count, e)
		e = litlen[buf&(1<<litlenBits-1)]

		if far > wr-start {
			err = ErrDistance
			break
		}
		if far >= 16 && length <= 32 {
			to, from := (*[32]byte)(out[wr:]), (*[32]byte)(out[wr-far:])
			copy(to[:16], from[:16])
			copy(to[16:], from[16:])
		} else {
			copyMatch(out, wr, far, length)
		}
		wr += length
	}
	d.pos, d.wr = int(pos), int(wr)
	d.count = uint(count & 63)
	d.bits = buf & (1<<d.count - 1)
	if err != nil {
		err = d.wrong(err)
	}
	return done, err
}

// load refills buf to 56 bits or more. The masks tell the compiler what holds anyway; they cost nothing.
func load(in *[inSize]byte, buf, count uint64, pos uint) (uint64, uint64, uint) {
	buf |= binary.LittleEndian.Uint64(in[pos&inMask:]) << (count & 63)
	return buf, count | 56, pos + uint(^count>>3)&7
}

// drop removes the bits of an entry.
func drop(buf, count uint64, e uint32) (uint64, uint64) {
	return buf >> (e & 63), count - uint64(e)
}

// value is the length or distance of an entry that buf begins with.
func value(buf uint64, e uint32) uint {
	return uint(e>>16) + uint(buf&(1<<(e&63)-1)>>(e>>8&15))
}

// putLiterals always writes four bytes, of which up to three count. It turns the entry around instead of shifting it, as the
// compiler would make three stores of a value whose highest byte it knows.
func putLiterals(out *window, wr uint, e uint32) uint {
	binary.LittleEndian.PutUint32(out[wr:], bits.RotateLeft32(e, -8))
	return wr + uint(e>>6&3)
}

// copyMatch copies length bytes to out[wr:] from far before that, and more: the rest of the last 8 or 16 bytes is
// overwritten by what is decoded next.
func copyMatch(out *window, wr, far, length uint) {
	length &= 511 // tells the compiler that all indexes below are inside
	to, from := (*[528]byte)(out[wr:]), (*[528]byte)(out[wr-far:])
	switch {
	case far >= 16:
		for i := uint(0); i < length; i += 16 {
			copy(to[i:i+16], from[i:i+16])
		}
	case far >= 8:
		for i := uint(0); i < length; i += 8 {
			copy(to[i:i+8], from[i:i+8])
		}
	case far == 1:
		for i, eight := uint(0), uint64(from[0])*0x0101010101010101; i < length; i += 8 {
			binary.LittleEndian.PutUint64(to[i:i+8], eight)
		}
	default:
		for i := range length {
			to[i] = from[i]
		}
	}
}
