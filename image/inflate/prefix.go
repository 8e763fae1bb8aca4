package inflate

import "math/bits"

// prefixCode is the code that lengths of codes make, RFC 1951 section 3.2.2, on its way into a decoding table.
type prefixCode struct {
	count  [maxCodeBits + 1]uint16 // how many symbols have codes of a length
	sorted [numLitlen]uint16       // the symbols in the order of their codes: by length, then by number
	used   int                     // so many of sorted
	codes  [numLitlen]uint16       // those of sorted, as far as the table's index has room for them, first bit lowest
	bases  []uint32                // the entry of each symbol, without its code's length
	table  []uint32
	index  uint // bits of the table's index
}

// build fills a table for the code with these lengths (0: the symbol is not used), whose first 1<<index entries are found
// by the next bits of the file. It reports false if they are not the lengths of a complete code. Two incomplete ones are
// let through, as compressors make them: no code at all, and a single one of one bit.
func (c *prefixCode) build(table []uint32, index uint, lengths []uint8, bases []uint32) bool {
	c.table, c.index, c.bases = table, index, bases
	c.count = [maxCodeBits + 1]uint16{}
	for _, n := range lengths {
		c.count[n&15]++
	}
	c.count[0] = 0
	free := 1 // codes of the current length that are no shorter code's extension
	var next [maxCodeBits + 2]uint16
	for n := 1; n <= maxCodeBits; n++ {
		next[n+1] = next[n] + c.count[n]
		if free = free<<1 - int(c.count[n]); free < 0 {
			return false
		}
	}
	c.used = int(next[maxCodeBits+1])
	for sym, n := range lengths {
		if n != 0 {
			c.sorted[next[n&15]] = uint16(sym)
			next[n&15]++
		}
	}
	if free != 0 {
		return c.incomplete()
	}
	c.fill()
	return true
}

// incomplete fills the table for at most one code, 0.
func (c *prefixCode) incomplete() bool {
	if c.used != int(c.count[1]) {
		return false
	}
	for i := range c.table[:1<<c.index] {
		c.table[i] = invalid
		if c.used == 1 && i&1 == 0 {
			c.table[i] = entry(c.bases[c.sorted[0]], 1)
		}
	}
	c.codes[0] = 0
	return true
}

// fill walks the codes in order. When table[:1<<n] is filled for codes of up to n bits, a copy behind it makes
// table[:2<<n] right for n+1 bits.
func (c *prefixCode) fill() {
	code, i := uint(0), 0
	size := uint(1)
	for n := uint(1); n <= c.index; n++ {
		if i != 0 {
			copy(c.table[size:2*size], c.table[:size])
		}
		size *= 2
		for range c.count[n] {
			c.codes[i] = uint16(code)
			c.table[code] = entry(c.bases[c.sorted[i]], n)
			i++
			code = increment(code, n)
		}
	}
	if i < c.used {
		c.fillSubtables(code, i)
	}
}

// fillSubtables goes on with the codes that are longer than the index: code is the one of sorted[i]. Those that are the
// same in the bits of the index have a subtable, as large as the longest of them asks for.
func (c *prefixCode) fillSubtables(code uint, i int) {
	n := c.index + 1
	left := c.count[n]
	free := uint(1) << c.index
	prefix, sub, subBits := ^uint(0), uint(0), uint(0)
	for ; i < c.used; i++ {
		for left == 0 {
			n++
			left = c.count[n]
		}
		if p := code & (1<<c.index - 1); p != prefix {
			prefix, sub = p, free
			subBits = n - c.index
			for space := uint(left); space < 1<<subBits; {
				subBits++
				space = space<<1 + uint(c.count[c.index+subBits])
			}
			free += 1 << subBits
			c.table[prefix] = uint32(sub)<<16 | entrySpecial | entryLink | uint32(subBits)<<8 | uint32(c.index)
		}
		e := entry(c.bases[c.sorted[i]], n-c.index)
		for j := code >> c.index; j < 1<<subBits; j += 1 << (n - c.index) {
			c.table[sub+j] = e
		}
		left--
		code = increment(code, n)
	}
}

// increment returns the code of n bits after code, or 0 after the last one.
func increment(code, n uint) uint {
	zeros := code ^ (1<<n - 1)
	if zeros == 0 {
		return 0
	}
	top := uint(1) << (bits.Len(zeros) - 1)
	return code&(top-1) | top
}
