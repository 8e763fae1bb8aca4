package unpack

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	forked "github.com/vbatts/tar-split/archive/tar"
	"github.com/vbatts/tar-split/tar/asm"
	"github.com/vbatts/tar-split/tar/storage"
	"go.podman.io/storage/pkg/tarlog"
)

// reassemble makes the tar again, as podman save and push do.
func reassemble(dir string, split *os.File) ([]byte, error) {
	var b bytes.Buffer
	err := asm.WriteOutputTarStream(storage.NewPathFileGetter(dir), storage.NewJSONUnpacker(rewound(split)), &b)
	return b.Bytes(), err
}

func rewound(f *os.File) io.Reader { return io.NewSectionReader(f, 0, 1<<40) }

// noTarAgain are the groups whose files replace each other.
var noTarAgain = []string{"replaced", "devices"}

func TestReassemble(t *testing.T) {
	if !inNamespace(t, "full", "single") {
		return
	}
	tests := everything()
	tests["old sparse"] = []item{raw(sparseOld("old")), file("after", "x")}
	tests["twice"] = []item{folder("d"), folder("d/"), file("e", ""), file("e", "now with content"), header(tar.TypeChar, "n", 0), header(tar.TypeChar, "n", 0),
		symlink("abs", "/d"), file("abs/f", "not found by way of the link"), raw(paxRecords(tar.TypeXGlobalHeader, "a=b")), raw(paxRecords(tar.TypeXGlobalHeader, "a=c"))}
	tests["size of no content"] = []item{raw(block512(tar.TypeDir, "d", 77)), raw(block512(tar.TypeSymlink, "l", 1<<30, func(b []byte) { copy(b[157:], "x") }))}
	tests["a long header"] = []item{raw(paxRecords(tar.TypeXHeader, "comment="+strings.Repeat("c", 900<<10))), raw(paxRecords(tar.TypeXHeader, "comment="+strings.Repeat("c", 900<<10))), file("f", "x")}
	for name, items := range tests {
		if slices.Contains(noTarAgain, name) {
			continue
		}
		ends := map[string][]byte{"": make([]byte, 1024)}
		if name == "links" || name == "names" {
			ends["none"], ends["half"], ends["much"] = nil, make([]byte, 512), append(make([]byte, 3<<20+5), 'x')
		}
		for end, bytes := range ends {
			t.Run(name+" "+end, func(t *testing.T) { testReassemble(t, append(packOpen(t, items...), bytes...)) })
		}
	}
	// A file's padding may end early: tar.Reader takes that for the end of the archive.
	t.Run("half a padding", func(t *testing.T) { testReassemble(t, packOpen(t, file("f", "abc"))[:512+100]) })
}

func testReassemble(t *testing.T, data []byte) {
	t.Helper()
	dir, l, err := into(t, data, Options{IgnoreChownErrors: true})
	if err != nil {
		t.Fatal(err)
	}
	got, err := reassemble(dir, l.TarSplit)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, data) {
		t.Errorf("%d bytes became %d others", len(data), len(got))
	}
}

// TestSplitEntries compares each entry with those that the library makes, and the ids with those that the storage library
// records.
func TestSplitEntries(t *testing.T) {
	if !inNamespace(t, "full", "single") {
		return
	}
	for name, items := range everything() {
		if name == "sparse" || slices.Contains(noTarAgain, name) || name == "through links" || name == "whiteouts" {
			continue // where the library's cannot be put together again
		}
		t.Run(name, func(t *testing.T) {
			data := pack(t, items...)
			_, l, err := into(t, data, Options{IgnoreChownErrors: true})
			if err != nil {
				t.Fatal(err)
			}
			want, uids := libraryEntries(t, data)
			got := decodeEntries(t, rewound(l.TarSplit))
			if !reflect.DeepEqual(want, got) {
				t.Errorf("want %+v\ngot  %+v", want, got)
			}
			if len(l.UIDs) != len(uids) || !slices.IsSorted(l.UIDs) || !slices.Equal(l.UIDs, l.GIDs) {
				t.Errorf("want %v, got %v, %v", uids, l.UIDs, l.GIDs)
			}
			for _, id := range l.UIDs {
				if !uids[id] {
					t.Errorf("id %d", id)
				}
			}
			var names int
			err = asm.IterateHeaders(storage.NewJSONUnpacker(rewound(l.TarSplit)), func(*forked.Header) error { names++; return nil })
			if err != nil || names != len(items) {
				t.Errorf("%d headers, %v", names, err)
			}
		})
	}
}

func libraryEntries(t *testing.T, data []byte) (entries []storage.Entry, uids map[uint32]bool) {
	t.Helper()
	var b bytes.Buffer
	uids = map[uint32]bool{}
	log, err := tarlog.NewLogger(func(h *forked.Header) {
		if !strings.HasPrefix(filepath.Base(h.Name), ".wh.") {
			uids[uint32(h.Uid)] = true
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	r, done, err := asm.NewInputTarStreamWithDone(io.TeeReader(bytes.NewReader(data), log), storage.NewJSONPacker(&b), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return decodeEntries(t, &b), uids
}

func decodeEntries(t *testing.T, r io.Reader) (entries []storage.Entry) {
	t.Helper()
	for d := json.NewDecoder(r); ; {
		var e storage.Entry
		if err := d.Decode(&e); err == io.EOF {
			return entries
		} else if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
}

func FuzzAppendString(f *testing.F) {
	f.Add("a\"\\\n\x00\u2028<é")
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "?")
		var got string
		if err := json.Unmarshal(appendString(nil, s), &got); err != nil || got != s {
			t.Errorf("%q became %q: %v", s, got, err)
		}
	})
}

// TestSegments writes a segment in pieces of all small lengths.
func TestSegments(t *testing.T) {
	data := []byte(strings.Repeat("0123456789abcdef", 1000))
	for piece := 1; piece < 70; piece++ {
		file, err := scratchFile(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		w := newSplitWriter(file)
		for p := range slices.Chunk(data, piece) {
			w.segment(p)
		}
		w.entry("", 0, 0)
		w.segment(data[:piece])
		if err := w.finish(); err != nil {
			t.Fatal(err)
		}
		e := decodeEntries(t, rewound(file))
		if len(e) != 3 || !bytes.Equal(e[0].Payload, data) || !bytes.Equal(e[2].Payload, data[:piece]) || e[2].Position != 2 {
			t.Errorf("in pieces of %d: %d entries", piece, len(e))
		}
		file.Close()
	}
}
