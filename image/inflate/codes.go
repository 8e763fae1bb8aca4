package inflate

const (
	numLitlen   = 288 // symbols of the fixed code; a dynamic one has 286 of them
	maxLitlen   = 286
	maxDist     = 30
	endOfBlock  = 256
	numPrecodes = 19
)

// fixedCodes makes the tables for the codes that need no description.
func (d *Reader) fixedCodes() {
	var lengths [numLitlen]uint8 // RFC 1951 section 3.2.6
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 8
		}
	}
	d.code.build(d.litlen[:], litlenBits, lengths[:], litlenBase[:])
	d.code.joinLiterals()
	var dist [32]uint8
	for i := range dist {
		dist[i] = 5
	}
	d.code.build(d.dist[:], distBits, dist[:], distBase[:])
	d.fixed = true
}

// precodeOrder is the order in which the lengths of the code length code come, RFC 1951 section 3.2.7.
var precodeOrder = [numPrecodes]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// dynamicCodes reads the codes that a block brings along.
func (d *Reader) dynamicCodes() error {
	d.fixed = false
	sizes, ok := d.take(14)
	if !ok {
		return d.short()
	}
	nlit, ndist, npre := sizes&31+257, sizes>>5&31+1, sizes>>10+4
	if nlit > maxLitlen || ndist > maxDist {
		return d.wrong(ErrCodeLengths)
	}
	var pre [numPrecodes]uint8
	for _, sym := range precodeOrder[:npre] {
		n, ok := d.take(3)
		if !ok {
			return d.short()
		}
		pre[sym] = uint8(n)
	}
	var table [precodeSize]uint32
	if !d.code.build(table[:], precodeBits, pre[:], precodeBase[:]) {
		return d.wrong(ErrCodeLengths)
	}
	var lengths [maxLitlen + maxDist]uint8
	if err := d.codeLengths(&table, lengths[:nlit+ndist]); err != nil {
		return err
	}
	if lengths[endOfBlock] == 0 || !d.code.build(d.litlen[:], litlenBits, lengths[:nlit], litlenBase[:]) {
		return d.wrong(ErrCodeLengths)
	}
	d.code.joinLiterals()
	if !d.code.build(d.dist[:], distBits, lengths[nlit:nlit+ndist], distBase[:]) {
		return d.wrong(ErrCodeLengths)
	}
	return nil
}

// codeLengths reads the lengths of both codes; a repetition may reach from the first into the second.
func (d *Reader) codeLengths(table *[precodeSize]uint32, lengths []uint8) error {
	for i := 0; i < len(lengths); {
		if d.count < 14 {
			d.refill()
		}
		e := table[d.bits&(precodeSize-1)]
		if e&entrySpecial != 0 {
			return d.wrong(ErrCode)
		}
		need := uint(e & 63)
		if d.count < need {
			return d.short()
		}
		repeat := int(e>>20) + int(d.bits&(1<<need-1)>>(e>>8&15))
		d.bits >>= need
		d.count -= need
		value := uint8(e >> 16 & 15)
		if e&precodePrevious != 0 {
			if i == 0 {
				return d.wrong(ErrCodeLengths)
			}
			value = lengths[i-1]
		}
		if repeat > len(lengths)-i {
			return d.wrong(ErrCodeLengths)
		}
		for ; repeat > 0; repeat-- {
			lengths[i] = value
			i++
		}
	}
	return nil
}
