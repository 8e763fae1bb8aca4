package logs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// A File is a log being written, by one process at a time.
type File struct {
	path     string
	journal  *os.File // two entries, of stdout and stderr
	rotation Rotation
	now      func() time.Time
	tap      Tap

	ctx         context.Context // ends when it is closed
	cancel      context.CancelFunc
	work        sync.WaitGroup // compressing old files
	compressing atomic.Bool

	mu      sync.Mutex
	log     *os.File
	stuck   bool  // it cannot be rotated
	size    int64 // of log; its end is the end of a record
	dropped int64 // bytes of output, while the log cannot be written
}

// An entry of the journal: the batch that is being written to the log.
type entry struct {
	Offset int64  // where it begins in the log
	Length uint32 // of its records
	Count  uint32 // of the bytes in the FIFO that it stands for; 0 when no batch is being written
}

const entrySize = 16

// Open opens the log at path for writing and makes it, and its folder, if it is not there. journal is a path in the
// container's run directory: it has to live as long as the FIFOs, and not longer.
func Open(path, journal string, rotation Rotation) (*File, error) {
	if _, err := openNull(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	// Not O_APPEND: a batch that is written in part is written again to the same place.
	log, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	f := &File{path: path, log: log, rotation: rotation, now: time.Now}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	if f.journal, err = openJournal(journal); err == nil {
		err = errors.Join(tidy(path), f.trim())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// openJournal gives a new journal its full size, so that a run directory that fills up later is no matter.
func openJournal(path string) (*os.File, error) {
	j, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := j.Stat()
	if err == nil && info.Size() < 2*entrySize {
		_, err = j.WriteAt(make([]byte, 2*entrySize), 0)
	}
	if err != nil {
		j.Close()
		return nil, err
	}
	return j, nil
}

// Tap is where output can be listened to.
func (f *File) Tap() *Tap { return &f.tap }

// Close closes the log and tells its listeners. Copy must have returned.
func (f *File) Close() error {
	f.tap.close()
	f.cancel()
	f.work.Wait()
	if f.journal == nil {
		return f.log.Close()
	}
	return errors.Join(f.log.Close(), f.journal.Close())
}

// trim cuts off a record without an end, which a machine that lost power may have left.
func (f *File) trim() error {
	info, err := f.log.Stat()
	if err != nil {
		return err
	}
	if f.size, err = lastNewline(f.log, info.Size()); err != nil || f.size == info.Size() {
		return err
	}
	return f.log.Truncate(f.size)
}

// append writes a batch of one stream; count is the number of bytes it stands for. When it returns, the batch is in the log or
// lost, and the bytes should leave the FIFO. The error says that the journal cannot be written.
func (f *File) append(stream int, records []byte, count int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.makeRoom(len(records))
	if err := f.note(stream, entry{f.size, uint32(len(records)), uint32(count)}); err != nil {
		return err
	}
	if n, err := f.log.WriteAt(records, f.size); err != nil {
		f.failed(err, n, count)
	} else {
		f.size += int64(n)
		f.recovered()
	}
	return f.note(stream, entry{})
}

// failed and recovered tell of the loss once each.
func (f *File) failed(err error, written, count int) {
	if written > 0 {
		err = errors.Join(err, f.log.Truncate(f.size))
	}
	if f.dropped == 0 {
		slog.Error("container output is being dropped: its log cannot be written", "log", f.path, "error", err)
	}
	f.dropped += int64(count)
}

func (f *File) recovered() {
	if f.dropped > 0 {
		slog.Warn("container output is kept again", "log", f.path, "droppedBytes", f.dropped)
		f.dropped = 0
	}
}

// note writes a stream's entry. It lies within a page, where a signal does not cut a write short.
func (f *File) note(stream int, e entry) error {
	var b [entrySize]byte
	binary.NativeEndian.PutUint64(b[:], uint64(e.Offset))
	binary.NativeEndian.PutUint32(b[8:], e.Length)
	binary.NativeEndian.PutUint32(b[12:], e.Count)
	_, err := f.journal.WriteAt(b[:], int64(stream)*entrySize)
	return err
}

// noted reads what the last process noted; the zero entry if it got that far with nothing.
func (f *File) noted(stream int) (entry, error) {
	var b [entrySize]byte
	if _, err := f.journal.ReadAt(b[:], int64(stream)*entrySize); err != nil && err != io.EOF {
		return entry{}, fmt.Errorf("read journal: %w", err)
	}
	return entry{
		Offset: int64(binary.NativeEndian.Uint64(b[:])),
		Length: binary.NativeEndian.Uint32(b[8:]),
		Count:  binary.NativeEndian.Uint32(b[12:]),
	}, nil
}

// recover ends the batch that the last process was writing when it died. It returns the number of bytes to throw away from
// the FIFO, since they are in the log.
func (f *File) recover(stream int) (count int, err error) {
	e, err := f.noted(stream)
	if err != nil || e.Count == 0 {
		return 0, err
	}
	// Only one stream at a time writes, so all that lies behind the offset is of this batch.
	switch {
	case f.size == e.Offset+int64(e.Length):
		count = int(e.Count)
	case f.size > e.Offset && f.size < e.Offset+int64(e.Length):
		if err := f.log.Truncate(e.Offset); err != nil {
			return 0, err
		}
		f.size = e.Offset
	}
	// Before the bytes are thrown away: killed in between, they come twice rather than never.
	return count, f.note(stream, entry{})
}
