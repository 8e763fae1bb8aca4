package inflate

import (
	"encoding/binary"
	"hash/crc32"
)

// Flags of a member's header, RFC 1952 section 2.3.1. The rest says nothing about where the data begins.
const (
	flagHeaderCRC = 1 << 1
	flagExtra     = 1 << 2
	flagName      = 1 << 3
	flagComment   = 1 << 4
)

const (
	headerSize  = 10
	trailerSize = 8
)

func (d *Reader) firstMember() (step, error) {
	d.ahead(headerSize)
	if d.pos == d.end {
		return nil, d.short()
	}
	return d.member()
}

// nextMember is what may follow a member: another one, the end, or zeros up to the end (as tapes have it).
func (d *Reader) nextMember() (step, error) {
	d.ahead(headerSize)
	if d.pos == d.end {
		return nil, d.failed
	}
	if d.in[d.pos] == 0 {
		return (*Reader).padding, nil
	}
	if d.in[d.pos] != 0x1f || d.end-d.pos > 1 && d.in[d.pos+1] != 0x8b {
		return nil, d.wrong(ErrTrailing)
	}
	return d.member()
}

func (d *Reader) padding() (step, error) {
	for ; d.pos < d.end; d.pos++ {
		if d.in[d.pos] != 0 {
			return nil, d.wrong(ErrTrailing)
		}
	}
	d.ahead(1)
	if d.pos == d.end {
		return nil, d.failed
	}
	return (*Reader).padding, nil
}

// member reads a header.
func (d *Reader) member() (step, error) {
	d.ahead(headerSize)
	h := d.in[d.pos:d.end]
	if len(h) < headerSize {
		return nil, d.short()
	}
	if h[0] != 0x1f || h[1] != 0x8b || h[2] != 8 {
		return nil, d.wrong(ErrHeader)
	}
	flags := h[3]
	crc := crc32.ChecksumIEEE(h[:headerSize])
	d.pos += headerSize
	if err := d.optional(flags, &crc); err != nil {
		return nil, err
	}
	if flags&flagHeaderCRC != 0 {
		want, err := d.field(2, nil)
		if err != nil {
			return nil, err
		}
		if want != crc&0xffff {
			return nil, d.wrong(ErrHeader)
		}
	}
	d.start, d.crc, d.size = d.wr, 0, 0
	return (*Reader).block, nil
}

// optional skips the header's fields of any length. The header's checksum covers them.
func (d *Reader) optional(flags byte, crc *uint32) error {
	if flags&flagExtra != 0 {
		n, err := d.field(2, crc)
		if err != nil {
			return err
		}
		for ; n > 0; n-- {
			if _, err := d.field(1, crc); err != nil {
				return err
			}
		}
	}
	for _, flag := range []byte{flagName, flagComment} {
		for more := flags&flag != 0; more; {
			c, err := d.field(1, crc)
			if err != nil {
				return err
			}
			more = c != 0
		}
	}
	return nil
}

// field reads an integer of n bytes, up to 4, lowest first, and adds them to crc if that is not nil.
func (d *Reader) field(n int, crc *uint32) (uint32, error) {
	d.ahead(n)
	if d.end-d.pos < n {
		return 0, d.short()
	}
	var b [4]byte
	copy(b[:n], d.in[d.pos:])
	d.pos += n
	if crc != nil {
		*crc = crc32.Update(*crc, crc32.IEEETable, b[:n])
	}
	return binary.LittleEndian.Uint32(b[:]), nil
}

// trailer compares what came out with what the compressor had seen, RFC 1952 section 2.3.1.
func (d *Reader) trailer() (step, error) {
	d.ahead(trailerSize)
	if d.end-d.pos < trailerSize {
		return nil, d.short()
	}
	d.sum()
	t := d.in[d.pos:]
	if binary.LittleEndian.Uint32(t) != d.crc {
		return nil, d.wrong(ErrChecksum)
	}
	if binary.LittleEndian.Uint32(t[4:]) != d.size {
		return nil, d.wrong(ErrLength)
	}
	d.pos += trailerSize
	return (*Reader).nextMember, nil
}
