// Package crc64 computes the CRC-64 that tar-split keeps of every file of a layer: the ISO 3309 polynomial, bits reversed,
// as hash/crc64 does with crc64.ISO. It gives the same values, several times as fast where the processor multiplies
// polynomials.
//
// A message is a polynomial over GF(2), and its CRC what is left of it after division by another one, P. So any 16 bytes may
// be replaced by fewer that leave the same: to fold 16 bytes over a distance of d bits is to multiply them by x^d mod P, and
// to add the product to the 16 bytes that are d bits further on. Eight such accumulators go through a large piece side by
// side, 128 bytes at a time, then become one. What is left is 16 bytes, and hash/crc64 takes them like any other bytes.
//
// Other processors, and pieces that are too short, have hash/crc64 alone.
package crc64

import "hash/crc64"

const (
	block   = 16
	stride  = 8 * block // what the accumulators take at a time
	minimum = 2 * stride
)

var table = crc64.MakeTable(crc64.ISO)

// keys are factors for folding: over a stride, then over a block; of each pair the first is for the earlier 8 bytes, which
// are 64 bits further away.
var keys = [4]uint64{power(8*stride + 63), power(8*stride - 1), power(8*block + 63), power(8*block - 1)}

// power is x^n mod P, highest power lowest. The factors have one x less than the distance: the product of two reversed
// numbers of 64 bits has 127 bits, and stands in 128 as if it were multiplied by x.
func power(n int) uint64 {
	p := uint64(1) << 63
	for range n {
		carry := p & 1
		p >>= 1
		if carry != 0 {
			p ^= crc64.ISO
		}
	}
	return p
}

// Update adds p to the checksum of what came before, 0 if nothing did.
func Update(crc uint64, p []byte) uint64 {
	if folds && len(p) >= minimum {
		var rest [block]byte
		n := len(p) &^ (block - 1)
		fold(&rest, ^crc, &p[0], n, &keys)
		crc = crc64.Update(^uint64(0), table, rest[:])
		p = p[n:]
	}
	return crc64.Update(crc, table, p)
}
