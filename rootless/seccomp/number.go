package seccomp

import (
	"slices"
	"strings"
)

//go:generate go run gen.go

// A call is one entry of an architecture's system call table, named as profiles name it. The tables are sorted slices:
// unlike maps they cost nothing when the program starts.
type call struct {
	name string
	nr   uint16
}

var tables = map[string][]call{"amd64": amd64Calls[:], "arm64": arm64Calls[:]}

// number finds a call's number on arch, a key of ociArch.
func number(arch, name string) (uint32, bool) {
	t := tables[arch]
	i, ok := slices.BinarySearchFunc(t, name, func(c call, name string) int { return strings.Compare(c.name, name) })
	if !ok {
		return 0, false
	}
	return uint32(t[i].nr), true
}
