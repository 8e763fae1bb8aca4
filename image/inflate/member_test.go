package inflate

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"testing"
)

// member has the header fields that flags ask for, and contains p.
func member(t testing.TB, flags byte, p string) []byte {
	t.Helper()
	z := small(t, p)
	h := append([]byte{}, z[:headerSize]...)
	h[3] = flags
	if flags&flagExtra != 0 {
		h = append(h, 5, 0, 1, 2, 0, 4, 5)
	}
	if flags&flagName != 0 {
		h = append(h, "name\xff\x00"...)
	}
	if flags&flagComment != 0 {
		h = append(h, "comment\x00"...)
	}
	if flags&flagHeaderCRC != 0 {
		h = binary.LittleEndian.AppendUint16(h, uint16(crc32.ChecksumIEEE(h)))
	}
	return append(h, z[headerSize:]...)
}

func TestHeaderFields(t *testing.T) {
	for flags := range byte(32) {
		z := member(t, flags, "content")
		got, err := readAll(bytes.NewReader(z))
		if string(got) != "content" || err != nil {
			t.Errorf("flags %#x: %q, %v", flags, got, err)
		}
		if flags&flagHeaderCRC == 0 {
			continue
		}
		z[4] ^= 1
		if _, err := readAll(bytes.NewReader(z)); !errors.Is(err, ErrHeader) {
			t.Errorf("flags %#x, wrong checksum: %v", flags, err)
		}
	}
}

func TestLongName(t *testing.T) {
	z := member(t, flagName, "content")
	long := slices.Insert(slices.Clone(z), headerSize, []byte(strings.Repeat("n", 200<<10))...)
	got, err := readAll(bytes.NewReader(long))
	if string(got) != "content" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAfterMember(t *testing.T) {
	one, none := small(t, "one"), small(t, "")
	tests := map[string]struct {
		parts [][]byte
		want  string
		err   error
	}{
		"nothing at all":        {nil, "", ErrUnexpectedEnd},
		"zeros only":            {[][]byte{make([]byte, 20)}, "", ErrHeader},
		"three members":         {[][]byte{one, member(t, 0x1f, "two"), one}, "onetwoone", nil},
		"empty members":         {[][]byte{none, none, one, none}, "one", nil},
		"padding":               {[][]byte{one, make([]byte, 200<<10)}, "one", nil},
		"one zero":              {[][]byte{one, {0}}, "one", nil},
		"garbage":               {[][]byte{one, []byte("garbage")}, "one", ErrTrailing},
		"garbage after padding": {[][]byte{one, make([]byte, 100<<10), {1}}, "one", ErrTrailing},
		"member after padding":  {[][]byte{one, {0}, one}, "one", ErrTrailing},
		"half a magic number":   {[][]byte{one, {0x1f}}, "one", ErrUnexpectedEnd},
		"wrong magic number":    {[][]byte{one, {0x1f, 0x8c}}, "one", ErrTrailing},
		"wrong method":          {[][]byte{one, {0x1f, 0x8b, 7, 0, 0, 0, 0, 0, 0, 0}}, "one", ErrHeader},
		"half a member":         {[][]byte{one, one[:15]}, "oneone", ErrUnexpectedEnd},
	}
	for name, test := range tests {
		got, err := readAll(bytes.NewReader(bytes.Join(test.parts, nil)))
		if !strings.HasPrefix(test.want, string(got)) || err == nil && string(got) != test.want || !errors.Is(err, test.err) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// TestMatchOfOtherMember: what an earlier member contains is no history for a later one.
func TestMatchOfOtherMember(t *testing.T) {
	z := gzipOf("", fixedBlock(lit('a'), match0(5))...)
	if _, err := readAll(bytes.NewReader(z)); !errors.Is(err, ErrDistance) {
		t.Errorf("alone: %v", err)
	}
	if _, err := readAll(bytes.NewReader(append(small(t, "0123456789"), z...))); !errors.Is(err, ErrDistance) {
		t.Errorf("after another one: %v", err)
	}
}

// TestDamage compares verdicts with compress/gzip: every byte of some small files changed, and every length cut.
func TestDamage(t *testing.T) {
	files := map[string][]byte{
		"fixed":   small(t, "hello, hello, hello"),
		"dynamic": small(t, strings.Repeat("The quick brown fox jumps over the lazy dog. ", 3)+string(contents(t)["elf"][:700])),
		"stored":  compress(t, compressors()["gzip 0"], []byte("stored")),
		"fields":  append(member(t, 0x1f, "one"), member(t, 0x1f, "two")...),
	}
	for name, z := range files {
		for i := range z {
			for _, change := range []byte{1, 2, 4, 8, 16, 32, 64, 128, 0xff} {
				bad := slices.Clone(z)
				bad[i] ^= change
				same(t, name, bad)
			}
			same(t, name, z[:i])
		}
	}
}

// same fails the test if p is not to both decoders the same, apart from the documented deviations.
func same(t testing.TB, name string, p []byte) {
	t.Helper()
	got, err := readAll(bytes.NewReader(p))
	want, wantErr := reference(p)
	if err == nil && wantErr != nil {
		// Zeros after the last member are fine here. Those of the trailer, and a byte or two before, belong to the member.
		end := len(bytes.TrimRight(p, "\x00"))
		for n := end; wantErr != nil && n <= min(len(p), end+10); n++ {
			want, wantErr = reference(p[:n])
		}
		if errors.Is(wantErr, gzip.ErrHeader) && len(p) > 512 {
			return // a name or comment may be long
		}
	}
	if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes, %v; compress/gzip: %d bytes, %v\n%x", name, len(got), err, len(want), wantErr, p[:min(len(p), 1<<10)])
	}
	var where *Error
	if err != nil && (!errors.As(err, &where) || where.Offset < 0 || where.Offset > int64(len(p))) {
		t.Errorf("%s: %v: no place in %d bytes", name, err, len(p))
	}
}

func reference(p []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(p))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func FuzzReader(f *testing.F) {
	f.Add([]byte{})
	f.Add(small(f, strings.Repeat("seed ", 100)))
	f.Add(append(member(f, 0x1f, "one"), make([]byte, 20)...))
	f.Add(compress(f, compressors()["gzip 0"], []byte("stored")))
	f.Add(compress(f, compressors()["gzip 9"], contents(f)["elf"][:3000]))
	for _, b := range badBlocks {
		f.Add(gzipOf("", b.fields...))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		same(t, "fuzz", p)
		// Without a right checksum most of what is made up would only ever be an error.
		if len(p) < 1<<16 {
			got, _ := readAll(bytes.NewReader(append(slices.Clone(plainHeader), p...)))
			same(t, "fuzz deflate", append(append(slices.Clone(plainHeader), p...), trailerOf(string(got))...))
		}
	})
}
