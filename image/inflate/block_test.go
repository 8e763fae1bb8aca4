package inflate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/bits"
	"testing"
)

// field is a number of n bits, lowest first, as RFC 1951 packs all but codes.
type field struct{ v, n uint }

// code is a field for a prefix code: its first bit is the highest.
func code(v, n uint) field { return field{uint(bits.Reverse16(uint16(v)) >> (16 - n)), n} }

func pack(fields []field) (out []byte) {
	n := uint(0)
	for _, f := range fields {
		for i := range f.n {
			if n%8 == 0 {
				out = append(out, 0)
			}
			out[n/8] |= byte(f.v>>i&1) << (n % 8)
			n++
		}
	}
	return out
}

var plainHeader = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}

func trailerOf(content string) []byte {
	t := binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(content)))
	return binary.LittleEndian.AppendUint32(t, uint32(len(content)))
}

// gzipOf is a file of one member with the given deflate data.
func gzipOf(content string, fields ...field) []byte {
	return bytes.Join([][]byte{plainHeader, pack(fields), trailerOf(content)}, nil)
}

// lit is a literal below 144 in the fixed code.
func lit(c byte) field { return code(0x30+uint(c), 8) }

// match0 is a length of 3 in the fixed code, and distance symbol sym; extra bits are for the caller.
func match0(sym uint) field { return field{code(1, 7).v | code(sym, 5).v<<7, 12} }

var endFixed = code(0, 7)

// fixedBlock begins the last block, with the fixed codes.
func fixedBlock(symbols ...field) []field { return append([]field{{1, 1}, {1, 2}}, symbols...) }

// dynamicBlock begins the last block, with nlit+257 and ndist+1 lengths and lengths of the precode in its order.
func dynamicBlock(nlit, ndist uint, precode []uint, rest ...field) []field {
	f := []field{{1, 1}, {2, 2}, {nlit, 5}, {ndist, 5}, {uint(len(precode)) - 4, 4}}
	for _, n := range precode {
		f = append(f, field{n, 3})
	}
	return append(f, rest...)
}

// The precode of the tests has 18 (many zeros), 0, 1 and 2 with two bits each: 0 is 00, 1 is 01, 2 is 10, 18 is 11.
var (
	precode = []uint{0, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2}
	length0 = code(0, 2)
	length1 = code(1, 2)
	length2 = code(2, 2)
)

func zeros(n uint) field { return field{code(3, 2).v | (n-11)<<2, 9} }

var badBlocks = map[string]struct {
	fields []field
	want   error
	offset int64
}{
	"type 3":                 {[]field{{1, 1}, {3, 2}}, ErrBlockType, 11},
	"stored length":          {[]field{{1, 1}, {0, 2}, {0, 5}, {5, 16}, {5, 16}}, ErrStoredLength, 15},
	"stored, too short":      {[]field{{1, 1}, {0, 2}, {0, 5}, {100, 16}, {^uint(100) & 0xffff, 16}}, ErrUnexpectedEnd, 23},
	"distance at once":       {fixedBlock(match0(0), endFixed), ErrDistance, 12},
	"distance 2 after 1":     {fixedBlock(lit('a'), match0(1), endFixed), ErrDistance, 13},
	"distance symbol 30":     {fixedBlock(lit('a'), match0(30), endFixed), ErrCode, 13},
	"length symbol 286":      {fixedBlock(lit('a'), code(0xc6, 8), endFixed), ErrCode, 12},
	"no end of block":        {fixedBlock(lit('a'), lit('b')), ErrUnexpectedEnd, -1},
	"288 literals":           {dynamicBlock(31, 0, precode), ErrCodeLengths, -1},
	"31 distances":           {dynamicBlock(0, 30, precode), ErrCodeLengths, -1},
	"precode incomplete":     {dynamicBlock(0, 0, []uint{0, 0, 2, 2}), ErrCodeLengths, -1},
	"precode too full":       {dynamicBlock(0, 0, []uint{1, 1, 1, 0}), ErrCodeLengths, -1},
	"previous length, first": {dynamicBlock(0, 0, []uint{1, 0, 0, 1}, code(1, 1)), ErrCodeLengths, -1},
	"too many lengths":       {dynamicBlock(0, 0, precode, zeros(138), zeros(138)), ErrCodeLengths, -1},
	"no end of block code":   {dynamicBlock(0, 0, precode, length1, length1, zeros(138), zeros(117), length0), ErrCodeLengths, -1},
	"literals incomplete":    {dynamicBlock(0, 0, precode, length2, zeros(138), zeros(117), length1, length0), ErrCodeLengths, -1},
	"literals too full":      {dynamicBlock(0, 0, precode, length1, length1, zeros(138), zeros(116), length1, length0), ErrCodeLengths, -1},
	"distances incomplete":   {dynamicBlock(0, 0, precode, length1, zeros(138), zeros(117), length1, length2), ErrCodeLengths, -1},
	// A single code of one bit is complete enough, until the other bit comes.
	"only code, wrong bit": {dynamicBlock(0, 0, precode, zeros(138), zeros(118), length1, length0, code(1, 1)), ErrCode, -1},
}

func TestBadBlocks(t *testing.T) {
	for name, test := range badBlocks {
		z := gzipOf("", test.fields...)
		for _, tail := range []int{0, 1000} { // the careful way, and the fast one
			if errors.Is(test.want, ErrUnexpectedEnd) && tail > 0 {
				continue
			}
			_, err := readAll(bytes.NewReader(append(z[:len(z):len(z)], make([]byte, tail)...)))
			var where *Error
			if !errors.Is(err, test.want) || !errors.As(err, &where) {
				t.Errorf("%s: %v", name, err)
			} else if test.offset >= 0 && where.Offset != test.offset {
				t.Errorf("%s: at %d", name, where.Offset)
			}
		}
		same(t, name, z)
	}
}

func TestGoodBlocks(t *testing.T) {
	tests := map[string]struct {
		want   string
		fields []field
	}{
		"fixed":             {"abaa", fixedBlock(lit('a'), lit('b'), lit('a'), lit('a'), endFixed)},
		"distance 1":        {"aaaa", fixedBlock(lit('a'), match0(0), endFixed)},
		"end of block only": {"", dynamicBlock(0, 0, precode, zeros(138), zeros(118), length1, length0, code(0, 1))},
		"one distance code": {"\x00\x00\x00\x00", dynamicBlock(1, 0, precode, length1, zeros(138), zeros(117), length2, length2, length1,
			code(0, 1), code(3, 2), code(0, 1), code(2, 2))},
	}
	for name, test := range tests {
		z := gzipOf(test.want, test.fields...)
		got, err := readAll(bytes.NewReader(z))
		if string(got) != test.want || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		same(t, name, z)
	}
}

func TestTrailer(t *testing.T) {
	z := small(t, "content")
	for i, want := range map[int]error{8: ErrChecksum, 5: ErrChecksum, 4: ErrLength, 1: ErrLength} {
		bad := bytes.Clone(z)
		bad[len(bad)-i]++
		got, err := readAll(bytes.NewReader(bad))
		if string(got) != "content" || !errors.Is(err, want) {
			t.Errorf("byte %d from the end: %q, %v", i, got, err)
		}
	}
}
