package unpack

import (
	"archive/tar"
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

// item is an entry of a test's tar: a header with its content, or bytes as they are.
type item struct {
	tar.Header
	body string
	raw  []byte
}

var someTime = time.Unix(1_600_000_000, 123_456_789)

func header(kind byte, name string, mode int64, change ...func(*item)) item {
	i := item{Header: tar.Header{Typeflag: kind, Name: name, Mode: mode, ModTime: someTime, Format: tar.FormatPAX}}
	for _, f := range change {
		f(&i)
	}
	return i
}

func file(name, body string, change ...func(*item)) item {
	i := header(tar.TypeReg, name, 0o644, change...)
	i.body, i.Size = body, int64(len(body))
	return i
}

func folder(name string, change ...func(*item)) item {
	return header(tar.TypeDir, name, 0o755, change...)
}

func symlink(name, target string, change ...func(*item)) item {
	return header(tar.TypeSymlink, name, 0o777, append(change, func(i *item) { i.Linkname = target })...)
}

func link(name, target string, change ...func(*item)) item {
	return header(tar.TypeLink, name, 0o644, append(change, func(i *item) { i.Linkname = target })...)
}

func raw(b []byte) item { return item{raw: b} }

func mode(m int64) func(*item)     { return func(i *item) { i.Mode = m } }
func owned(id int) func(*item)     { return func(i *item) { i.Uid, i.Gid = id, id } }
func at(t time.Time) func(*item)   { return func(i *item) { i.ModTime = t } }
func used(t time.Time) func(*item) { return func(i *item) { i.AccessTime = t } }
func gnu(i *item)                  { i.Format, i.ModTime = tar.FormatGNU, i.ModTime.Truncate(time.Second) }

func record(key, value string) func(*item) {
	return func(i *item) {
		if i.PAXRecords == nil {
			i.PAXRecords = map[string]string{}
		}
		i.PAXRecords[key] = value
	}
}

func xattr(name, value string) func(*item) { return record(xattrPrefix+name, value) }

// pack makes a tar of the items, with its end.
func pack(t testing.TB, items ...item) []byte {
	t.Helper()
	return append(packOpen(t, items...), make([]byte, 1024)...)
}

// packOpen leaves out the blocks that end the tar.
func packOpen(t testing.TB, items ...item) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, i := range items {
		if i.raw != nil {
			b.Write(i.raw)
			continue
		}
		w := tar.NewWriter(&b)
		if err := w.WriteHeader(&i.Header); err != nil {
			t.Fatalf("%q: %v", i.Name, err)
		}
		if _, err := w.Write([]byte(i.body)); err != nil {
			t.Fatalf("%q: %v", i.Name, err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// block512 makes a header by hand, for what tar.Writer refuses to write. (POSIX pax, ustar header block.)
func block512(kind byte, name string, size int64, change ...func([]byte)) []byte {
	b := make([]byte, 512)
	copy(b, name)
	copy(b[100:], "0000644\x000000000\x000000000\x00")
	copy(b[124:], fmt.Sprintf("%011o\x00%011o\x00", size, someTime.Unix()))
	b[156] = kind
	copy(b[257:], "ustar\x0000")
	for _, f := range change {
		f(b)
	}
	return sum(b)
}

func sum(b []byte) []byte {
	copy(b[148:], "        ")
	var n int
	for _, c := range b {
		n += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", n))
	return b
}

func padded(s string) []byte {
	return append([]byte(s), make([]byte, -len(s)&511)...)
}

// paxRecords makes an extended header of KEY=VALUE strings, whatever is in them.
func paxRecords(kind byte, records ...string) []byte {
	var body strings.Builder
	for _, r := range records {
		n := len(r) + 3
		for len(fmt.Sprint(n))+len(r)+2 != n {
			n++
			if n > len(r)+30 {
				panic("length")
			}
		}
		fmt.Fprintf(&body, "%d %s\n", n, r)
	}
	return append(block512(kind, "PaxHeaders/x", int64(body.Len())), padded(body.String())...)
}

// The four ways to say in a tar that a file has holes: (GNU tar manual, "Storing Sparse Files")
//
//	4096 bytes a, a hole up to 1 MiB, 512 bytes b, a hole up to size
const (
	sparseSecond = 1 << 20
	sparseSize   = sparseSecond + 512 + 4096
)

var sparseData = strings.Repeat("a", 4096) + strings.Repeat("b", 512)

func sparseOld(name string) []byte {
	return append(block512(tar.TypeGNUSparse, name, int64(len(sparseData)), func(b []byte) {
		copy(b[257:], "ustar  \x00")
		copy(b[386:], fmt.Sprintf("%011o\x00%011o\x00", 0, 4096))
		copy(b[410:], fmt.Sprintf("%011o\x00%011o\x00", sparseSecond, 512))
		copy(b[434:], fmt.Sprintf("%011o\x00%011o\x00", sparseSize, 0))
		copy(b[483:], fmt.Sprintf("%011o\x00", sparseSize))
	}), padded(sparseData)...)
}

func sparse00(name string) []byte {
	return append(paxRecords(tar.TypeXHeader, fmt.Sprint("GNU.sparse.size=", sparseSize), "GNU.sparse.numblocks=3",
		"GNU.sparse.offset=0", "GNU.sparse.numbytes=4096", fmt.Sprint("GNU.sparse.offset=", sparseSecond), "GNU.sparse.numbytes=512",
		fmt.Sprint("GNU.sparse.offset=", sparseSize), "GNU.sparse.numbytes=0"),
		append(block512(tar.TypeReg, name, int64(len(sparseData))), padded(sparseData)...)...)
}

func sparse01(name string) []byte {
	return append(paxRecords(tar.TypeXHeader, fmt.Sprint("GNU.sparse.size=", sparseSize), "GNU.sparse.numblocks=3",
		"GNU.sparse.name="+name, fmt.Sprintf("GNU.sparse.map=0,4096,%d,512,%d,0", sparseSecond, sparseSize)),
		append(block512(tar.TypeReg, "GNUSparseFile.0/x", int64(len(sparseData))), padded(sparseData)...)...)
}

func sparse10(name string) []byte {
	data := string(padded(fmt.Sprintf("3\n0\n4096\n%d\n512\n%d\n0\n", sparseSecond, sparseSize))) + sparseData
	return append(paxRecords(tar.TypeXHeader, "GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name="+name,
		fmt.Sprint("GNU.sparse.realsize=", sparseSize)),
		append(block512(tar.TypeReg, "GNUSparseFile.0/x", int64(len(data))), padded(data)...)...)
}
