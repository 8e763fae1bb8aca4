package inflate

// An entry of a decoding table is found by the next bits of the file and says what they mean.
//
//	bits   literals               length or distance          link to a subtable
//	0-5    bits to drop           bits to drop (code, extra)  bits to drop (the table's)
//	6-7    how many, 1 to 3       0                           0
//	8-11                          bits of the code alone      bits that index the subtable
//	12-15                         bit 15 clear                bit 15, bit 14
//	8-31   the literals
//	16-31                         base                        where the subtable begins
//
// Bit 15 without bit 14 is the end of the block (bit 13), or bits that no symbol has.
const (
	entryCount   = 3 << 6
	entryEnd     = 1 << 13
	entryLink    = 1 << 14
	entrySpecial = 1 << 15
	invalid      = entrySpecial | 1
)

const (
	litlenBits  = 11
	distBits    = 8
	precodeBits = 7
	// Sizes with room for the largest set of subtables that a complete code of so many symbols and up to 15 bits can
	// need: 2342 and 402 entries.
	litlenSize  = 2342
	distSize    = 402
	precodeSize = 1 << precodeBits
	maxCodeBits = 15

	precodePrevious = 1 << 12
)

// litlenBase, distBase and precodeBase have what a symbol's entry consists of, except its code's length.
var (
	litlenBase  = litlenBases()
	distBase    = distBases()
	precodeBase = precodeBases()
)

// base is an entry for a symbol that stands for value and more in extra bits.
func base(value, extra uint32) uint32 { return value<<16 | extra }

// litlenBases follows RFC 1951 section 3.2.5.
func litlenBases() (b [numLitlen]uint32) {
	for i := range uint32(256) {
		b[i] = i<<8 | 1<<6
	}
	b[endOfBlock] = entrySpecial | entryEnd
	length := uint32(3)
	for i := uint32(0); i < 28; i++ {
		extra := uint32(0)
		if i >= 8 {
			extra = i/4 - 1
		}
		b[257+i] = base(length, extra)
		length += 1 << extra
	}
	b[285] = base(258, 0)
	b[286], b[287] = entrySpecial, entrySpecial
	return b
}

func distBases() (b [32]uint32) {
	dist := uint32(1)
	for i := uint32(0); i < maxDist; i++ {
		extra := uint32(0)
		if i >= 4 {
			extra = i/2 - 1
		}
		b[i] = base(dist, extra)
		dist += 1 << extra
	}
	b[30], b[31] = entrySpecial, entrySpecial
	return b
}

// precodeBases: bits 16-19 are the length, bits 20-31 how often, at least.
func precodeBases() (b [numPrecodes]uint32) {
	for i := range uint32(16) {
		b[i] = base(i|1<<4, 0)
	}
	b[16] = base(3<<4, 2) | precodePrevious
	b[17] = base(3<<4, 3)
	b[18] = base(11<<4, 7)
	return b
}

// entry completes a base.
func entry(base uint32, length uint) uint32 {
	if base&entryCount != 0 {
		return base + uint32(length)
	}
	return base + uint32(length)<<8 + uint32(length)
}
