package unpack

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"os"
	"strconv"
	"unicode/utf8"
)

// The tar-split of a layer is what must be kept to make its tar again, to the byte, from its directory. It is the format
// of github.com/vbatts/tar-split: lines of JSON, in the order of the stream, of two types:
//
//	{"type":2,"payload":"base64…","position":0}                                   a segment: bytes of the stream
//	{"type":1,"name":"etc/passwd","size":99,"payload":"base64…","position":1}     a file: its bytes come from the directory
//
// A file's payload is the CRC-64 of its bytes, polynomial ISO, eight bytes with the highest first. A name that is not
// UTF-8 is in base64 under name_raw. That library refuses two files of one name, whatever their size.
const (
	fileType      = "1"
	segmentType   = "2"
	segmentLimit  = 1 << 20 // bytes in one line: whoever reads it holds it in memory
	splitBuffer   = 64 << 10
	encodedAtOnce = 3 * 1024
)

// splitWriter writes a tar-split. Errors stay in the buffered writer until finish.
type splitWriter struct {
	file     *os.File
	w        *bufio.Writer
	position int64

	open    bool // in the middle of a segment's line
	length  int  // of the segment so far
	carry   [3]byte
	carried int
	scratch [4 * encodedAtOnce / 3]byte
}

func newSplitWriter(file *os.File) *splitWriter {
	return &splitWriter{file: file, w: bufio.NewWriterSize(file, splitBuffer)}
}

// segment adds bytes to the current segment, or to a new one.
func (s *splitWriter) segment(p []byte) {
	for len(p) > 0 {
		if !s.open {
			s.open, s.length = true, 0
			s.put([]byte(`{"type":` + segmentType + `,"payload":"`))
		}
		n := min(len(p), segmentLimit-s.length)
		s.encode(p[:n])
		s.length += n
		p = p[n:]
		if s.length == segmentLimit {
			s.endSegment()
		}
	}
}

// encode writes base64, and keeps what does not make a group of three for the next call.
func (s *splitWriter) encode(p []byte) {
	if s.carried > 0 {
		n := copy(s.carry[s.carried:], p)
		s.carried += n
		p = p[n:]
		if s.carried < len(s.carry) {
			return
		}
		s.group(s.carry[:])
		s.carried = 0
	}
	for len(p) >= len(s.carry) {
		n := min(len(p)/3*3, encodedAtOnce)
		s.group(p[:n])
		p = p[n:]
	}
	s.carried = copy(s.carry[:], p)
}

func (s *splitWriter) group(p []byte) {
	n := base64.StdEncoding.EncodedLen(len(p))
	base64.StdEncoding.Encode(s.scratch[:n], p)
	s.put(s.scratch[:n])
}

func (s *splitWriter) endSegment() {
	if !s.open {
		return
	}
	s.group(s.carry[:s.carried])
	s.open, s.carried = false, 0
	s.put([]byte{'"'})
	s.endLine()
}

// entry adds a file. Size 0 means that nothing is taken from the directory.
func (s *splitWriter) entry(name string, size int64, crc uint64) {
	s.endSegment()
	line := append(s.scratch[:0], `{"type":`+fileType...)
	if utf8.ValidString(name) {
		if name != "" {
			line = appendString(append(line, `,"name":`...), name)
		}
	} else {
		line = append(line, `,"name_raw":"`...)
		line = append(base64.StdEncoding.AppendEncode(line, []byte(name)), '"')
	}
	if size > 0 {
		line = strconv.AppendInt(append(line, `,"size":`...), size, 10)
		line = append(line, `,"payload":"`...)
		line = base64.StdEncoding.AppendEncode(line, binary.BigEndian.AppendUint64(nil, crc))
		line = append(line, '"')
	} else {
		line = append(line, `,"payload":null`...)
	}
	s.put(line)
	s.endLine()
}

func (s *splitWriter) endLine() {
	line := append(s.scratch[:0], `,"position":`...)
	s.put(append(strconv.AppendInt(line, s.position, 10), "}\n"...))
	s.position++
}

// put writes; what goes wrong comes back from finish.
func (s *splitWriter) put(p []byte) { _, _ = s.w.Write(p) }

func (s *splitWriter) finish() error {
	s.endSegment()
	return s.w.Flush()
}

// appendString appends valid UTF-8 as a JSON string.
func appendString(b []byte, text string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
