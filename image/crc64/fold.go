//go:build amd64 || arm64

package crc64

import "golang.org/x/sys/cpu"

// folds: the processor has what fold is made of.
var folds = cpu.X86.HasPCLMULQDQ || cpu.ARM64.HasPMULL

// fold writes to rest 16 bytes that leave the same as the n bytes at p do after state, the complement of their checksum so
// far. n is a multiple of 16, at least 128.
//
//go:noescape
func fold(rest *[block]byte, state uint64, p *byte, n int, keys *[4]uint64)
