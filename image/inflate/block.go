package inflate

// Types of blocks, RFC 1951 section 3.2.3.
const (
	typeStored = iota
	typeFixed
	typeDynamic
)

// block reads a block's header, or what follows the last block.
func (d *Reader) block() (step, error) {
	if d.last {
		d.last = false
		d.bits, d.count = 0, 0
		return (*Reader).trailer, nil
	}
	d.ahead(blockAhead)
	head, ok := d.take(3)
	if !ok {
		return nil, d.short()
	}
	d.last = head&1 != 0
	switch head >> 1 {
	case typeStored:
		return d.storedBlock()
	case typeFixed:
		if !d.fixed {
			d.fixedCodes()
		}
	case typeDynamic:
		if err := d.dynamicCodes(); err != nil {
			return nil, err
		}
	default:
		return nil, d.wrong(ErrBlockType)
	}
	d.giveBack()
	return (*Reader).symbols, nil
}

// storedBlock begins one: the rest of the current byte is skipped, two lengths follow.
func (d *Reader) storedBlock() (step, error) {
	d.giveBack()
	d.bits, d.count = 0, 0
	v, err := d.field(4, nil)
	if err != nil {
		return nil, err
	}
	if uint16(v) != ^uint16(v>>16) {
		return nil, d.wrong(ErrStoredLength)
	}
	d.stored = int(uint16(v))
	return (*Reader).copyStored, nil
}

func (d *Reader) copyStored() (step, error) {
	if d.stored == 0 {
		return (*Reader).block, nil
	}
	d.ahead(1)
	if d.pos == d.end {
		return nil, d.short()
	}
	n := min(d.stored, d.end-d.pos, len(d.window)-d.wr)
	copy(d.window[d.wr:d.wr+n], d.in[d.pos:])
	d.wr += n
	d.pos += n
	d.stored -= n
	return (*Reader).copyStored, nil
}
