package unpack

import (
	"archive/tar"
	"hash/maphash"
	"io"
	"path"
	"strings"

	"github.com/peapod/peapod/image/crc64"
)

// recorder is what a tar.Reader reads: all of it goes into the tar-split.
type recorder struct{ u *unpacker }

func (r recorder) Read(p []byte) (int, error) {
	b, err := r.u.stream.peek(int64(len(p)))
	if err != nil {
		return 0, err
	}
	n := copy(p, b)
	r.u.split.segment(b)
	r.u.stream.skip(n)
	return n, nil
}

// payload is the content of the entry at hand. The tar-split has it either as a file, to be read from the directory, or
// where whoever reads it later will not find it under this name (a sparse file's form, a whiteout's content, a second file
// of the same name, a name through a symbolic link or out of the root) as segments, byte for byte.
type payload struct {
	u      *unpacker
	name   string
	size   int64 // of the file; in the stream a sparse file is smaller
	sparse bool
	tar    *tar.Reader
	again  bool // the name had an entry before
	raw    bool // into segments
	used   bool
}

// begin decides what must be decided before anything is written.
func (p *payload) begin() error {
	p.again = p.u.seen.add(p.name)
	p.raw = p.sparse || p.again || climbs(path.Clean("./"+p.name))
	if !p.sparse {
		return nil
	}
	limit := p.u.o.Limit
	if limit > 0 && p.size > limit-p.u.sparse {
		return &LimitError{Limit: limit}
	}
	p.u.sparse += p.size
	return nil
}

// copy hands the content to write, block by block, and records it.
func (p *payload) copy(write func([]byte) error) error {
	p.used = true
	if p.raw {
		p.record(0, 0)
	}
	if p.sparse {
		return p.copySparse(write)
	}
	var crc uint64
	for left := p.size; left > 0; {
		b, err := p.u.stream.peek(left)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		if err := write(b); err != nil {
			return err
		}
		if p.raw {
			p.u.split.segment(b)
		} else {
			crc = crc64.Update(crc, b)
		}
		p.u.stream.skip(len(b))
		left -= int64(len(b))
	}
	if !p.raw {
		p.record(p.size, crc)
	}
	return nil
}

// record adds the entry's line, unless its name had one.
func (p *payload) record(size int64, crc uint64) {
	if !p.again {
		p.u.split.entry(p.name, size, crc)
	}
}

// copySparse hands over a sparse file with its holes filled. What the tar.Reader reads is recorded on the way.
func (p *payload) copySparse(write func([]byte) error) error {
	buf := blocks.Get().(*[blockSize]byte)
	defer blocks.Put(buf)
	for {
		n, err := p.tar.Read(buf[:])
		if n > 0 {
			if err := write(buf[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// end skips what was not used of the payload, and its padding.
func (p *payload) end() error {
	if !p.used {
		p.raw = p.size > 0
		if err := p.copy(func([]byte) error { return nil }); err != nil {
			return err
		}
	}
	for pad := -p.u.stream.offset & 511; pad > 0; {
		b, err := p.u.stream.peek(pad)
		if err == io.EOF {
			return nil // a tar.Reader, too, takes this for the end of the archive
		}
		if err != nil {
			return err
		}
		p.u.split.segment(b)
		p.u.stream.skip(len(b))
		pad -= int64(len(b))
	}
	return nil
}

// isSparse says whether the bytes in the stream differ from the file's: it errs on the side of yes.
func isSparse(hdr *tar.Header) bool {
	if hdr.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range hdr.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// hasPayload tells the types whose header may be followed by content; for others the header's size means nothing.
func hasPayload(hdr *tar.Header) bool {
	switch hdr.Typeflag {
	case tar.TypeLink, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeDir, tar.TypeFifo, tar.TypeXGlobalHeader:
		return false
	}
	return true
}

// seen is the set of names so far, each as eight bytes.
type seen struct {
	seed   maphash.Seed
	hashes map[uint64]struct{}
}

func newSeen() seen { return seen{maphash.MakeSeed(), map[uint64]struct{}{}} }

// add returns true if the name was there. It may be wrong once in 2^64 times, which costs some bytes of tar-split.
func (s seen) add(name string) bool {
	h := maphash.String(s.seed, path.Clean(name))
	_, there := s.hashes[h]
	s.hashes[h] = struct{}{}
	return there
}
