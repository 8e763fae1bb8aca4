package inflate

// symbols decodes a block of codes until it ends or the window is full.
func (d *Reader) symbols() (step, error) {
	d.ahead(2 * symbolAhead)
	decode := (*Reader).careful
	if d.end-d.pos >= symbolAhead+8 { // fast takes up to 8 bytes before its first symbol
		decode = (*Reader).fast
	}
	done, err := decode(d)
	d.giveBack()
	switch {
	case err != nil:
		return nil, err
	case done:
		return (*Reader).block, nil
	default:
		return (*Reader).symbols, nil
	}
}

// careful decodes until the end of the block or a full window, like fast. It looks before each symbol whether the input
// has it, so it is for the last bytes of a file.
func (d *Reader) careful() (done bool, err error) {
	for d.wr < windowEnd {
		e, length, err := d.symbol(d.litlen[:], litlenBits)
		if err != nil {
			return false, err
		}
		if e&entryCount != 0 {
			for n := e >> 6 & 3; n > 0; n-- {
				e >>= 8
				d.window[d.wr] = byte(e)
				d.wr++
			}
			continue
		}
		if e&entrySpecial != 0 {
			return true, nil
		}
		_, dist, err := d.symbol(d.dist[:], distBits)
		if err != nil {
			return false, err
		}
		if dist > d.wr-d.start {
			return false, d.wrong(ErrDistance)
		}
		for range length {
			d.window[d.wr] = d.window[d.wr-dist]
			d.wr++
		}
	}
	return false, nil
}

// symbol takes the next symbol off the input. value is a length or distance with its extra bits.
func (d *Reader) symbol(table []uint32, tableBits uint) (e uint32, value int, err error) {
	d.refill()
	bits, count := d.bits, d.count
	e = table[bits&(1<<tableBits-1)]
	if e&(entryCount|entrySpecial|entryLink) == entrySpecial|entryLink {
		if count < tableBits {
			return 0, 0, d.short()
		}
		bits, count = bits>>tableBits, count-tableBits
		e = table[uint64(e>>16)+bits&(1<<(e>>8&15)-1)]
	}
	need := uint(e & 63)
	if count < need {
		return 0, 0, d.short()
	}
	if e&(entryCount|entrySpecial|entryEnd) == entrySpecial {
		return 0, 0, d.wrong(ErrCode)
	}
	value = int(e>>16) + int(bits&(1<<need-1)>>(e>>8&15))
	d.bits, d.count = bits>>need, count-need
	return e, value, nil
}
