package logs

import (
	"bytes"
	"io"
	"os"
)

// lastNewline is the offset behind the last newline of a log of the given size, not looking back further than a record
// may be long. What lies behind it is torn, or being written.
func lastNewline(log io.ReaderAt, size int64) (int64, error) {
	end := make([]byte, min(size, int64(maxRecord)))
	if _, err := log.ReadAt(end, size-int64(len(end))); err != nil && err != io.EOF {
		return 0, err
	}
	return size - int64(len(end)-1-bytes.LastIndexByte(end, '\n')), nil
}

// tail is the offset where the last n lines of a stream ("" for all) begin. It reads backwards, no more than it must. A line that is
// not finished yet counts.
func tail(log *os.File, n int64, stream string) (int64, error) {
	info, err := log.Stat()
	if err != nil {
		return 0, err
	}
	end, err := lastNewline(log, info.Size())
	if err != nil || n <= 0 {
		return end, err
	}
	c := counter{left: n, stream: stream, seen: map[string]bool{}}
	head := []byte(nil) // of a record that begins in the block before
	for at := end; at > 0; {
		size := min(at, window)
		block := make([]byte, size, int(size)+len(head))
		if _, err := log.ReadAt(block, at-size); err != nil {
			return 0, err
		}
		block = append(block, head...)
		at -= size
		for {
			begin := bytes.LastIndexByte(block[:max(len(block)-1, 0)], '\n') + 1
			if begin == 0 && at > 0 {
				break
			}
			if c.full(block[begin:]) {
				return at + int64(len(block)), nil
			}
			if block = block[:begin]; begin == 0 {
				break
			}
		}
		if head = block; len(head) > window {
			head = nil // no record
		}
	}
	return 0, nil
}

// A counter counts lines while records come to it from the last to the first.
type counter struct {
	left   int64
	stream string
	seen   map[string]bool // streams that had a record
}

// full tells that a record, and all before it, belong to lines that are too many.
func (c *counter) full(line []byte) bool {
	r, err := parseRecord(line)
	if err != nil || c.stream != "" && r.stream != c.stream {
		return false
	}
	// A line ends with an F record; the stream's last record ends one in any case.
	if r.partial && c.seen[r.stream] {
		return false
	}
	c.seen[r.stream] = true
	c.left--
	return c.left < 0
}
