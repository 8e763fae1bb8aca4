package logs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	window     = 64 << 10  // bytes looked at in one batch: what a pipe holds by default
	maxRecords = 128 << 10 // bytes of records in one batch, about; a window of newlines would make 2.6 MiB
)

// Copy writes to the log what comes out of two FIFOs, until neither has a writer any more, the context ends or the files are
// closed. It returns the context's error in the second case; what has not been copied then waits in the FIFOs. The files are
// reading ends, non-blocking and known to Go's poller (os.OpenFile with O_NONBLOCK does both), opened while
// a writer had them open; either may be nil. They stay open, to be closed by the caller.
func Copy(ctx context.Context, stdout, stderr *os.File, log *File) error {
	streams := []stream{{0, Stdout, stdout, log}, {1, Stderr, stderr, log}}
	for _, s := range streams {
		if s.fifo == nil {
			continue
		}
		if err := s.adopt(); err != nil {
			return err
		}
	}
	var wait sync.WaitGroup
	errs := make([]error, len(streams))
	for i, s := range streams {
		if s.fifo != nil {
			wait.Go(func() { errs[i] = s.copy(ctx) })
		}
	}
	wait.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.Join(errs...)
}

type stream struct {
	index int
	name  string
	fifo  *os.File
	log   *File
}

// A scratch is what one batch needs: a pipe to look into a FIFO, what was seen, and what is written.
type scratch struct {
	read, write  *os.File
	raw, records []byte
}

// The garbage collector empties the pool, and closes the pipes.
var scratches = sync.Pool{New: func() any {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("pipe: %w", err)
	}
	return &scratch{
		os.NewFile(uintptr(p[0]), "scratch"), os.NewFile(uintptr(p[1]), "scratch"),
		make([]byte, window), make([]byte, 0, maxRecords+maxRecord),
	}
}}

// adopt throws away what the last process wrote to the log and did not come to throw away.
func (s stream) adopt() error {
	n, err := s.log.recover(s.index)
	if err != nil || n == 0 {
		return err
	}
	conn, err := s.fifo.SyscallConn()
	if err != nil {
		return err
	}
	failure := conn.Control(func(fd uintptr) { err = discard(int(fd), n) })
	return errors.Join(failure, err)
}

// descriptorPause is how long to wait for a descriptor when there is none.
const descriptorPause = 50 * time.Millisecond

func (s stream) copy(ctx context.Context) error {
	conn, err := s.fifo.SyscallConn() // fails on a nil file only
	if err != nil {
		return err
	}
	// A deadline in the past wakes the reader up.
	stop := context.AfterFunc(ctx, func() { s.fifo.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	// One batch for each call, so that a container that writes without end does not hinder an end of ours.
	for ended := false; !ended; {
		failure := conn.Read(func(fd uintptr) (ready bool) {
			ended, err = s.batch(int(fd))
			return err != syscall.EAGAIN
		})
		switch {
		case failure != nil && closed(s.fifo):
			return nil
		case failure != nil:
			return failure
		case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE): // nothing has been moved, and others will let go of theirs
			select {
			case <-time.After(descriptorPause):
			case <-ctx.Done():
			}
		case err != nil:
			return fmt.Errorf("copy %s to %s: %w", s.name, s.log.path, err)
		}
	}
	return nil
}

// closed asks for an error that can be recognised: that of a raw connection cannot.
func closed(f *os.File) bool {
	_, err := f.Read(nil)
	return errors.Is(err, os.ErrClosed)
}

// batch moves what waits in the FIFO, up to a limit. It ends when no writer is left, and gives EAGAIN when nothing waits.
func (s stream) batch(fifo int) (ended bool, err error) {
	borrowed := scratches.Get()
	b, ok := borrowed.(*scratch)
	if !ok {
		return false, borrowed.(error)
	}
	n, err := retry(func() (int, error) {
		n, err := unix.Tee(fifo, int(b.write.Fd()), window, unix.SPLICE_F_NONBLOCK)
		return int(n), err
	})
	if err != nil || n == 0 {
		scratches.Put(b)
		return err == nil, err
	}
	raw, err := b.look(n)
	if err != nil {
		return false, err // the pipe is not empty and must not be used again
	}
	defer scratches.Put(b)
	records, used := appendRecords(b.records[:0], time.Now(), s.name, raw, maxRecords)
	if err := s.log.append(s.index, records, used); err != nil {
		return false, err
	}
	s.log.tap.put(s.name, raw[:used])
	return false, discard(fifo, used)
}

// look empties the pipe of the n bytes that are in it.
func (b *scratch) look(n int) ([]byte, error) {
	for seen := 0; seen < n; {
		// A writer may have switched its end to packets: then a read gives one of them.
		got, err := retry(func() (int, error) { return unix.Read(int(b.read.Fd()), b.raw[seen:n]) })
		if err != nil {
			return nil, err
		}
		seen += got
	}
	return b.raw[:n], nil
}

// null takes what is spliced to it without a copy. Open opens it, so that it is there when bytes are to be thrown away that are in the log.
var null struct {
	sync.Mutex
	file *os.File
}

// openNull opens it once. That it could not be opened is not remembered: the next one may have a descriptor.
func openNull() (_ *os.File, err error) {
	null.Lock()
	defer null.Unlock()
	if null.file == nil {
		null.file, err = os.OpenFile("/dev/null", os.O_WRONLY, 0)
	}
	return null.file, err
}

// discard takes n bytes out of a FIFO. Fewer are no error: a container may read its own output away. It is a single call that moves
// no data, in most cases, because a kill before its end makes lines come twice.
func discard(fifo, n int) error {
	to, err := openNull()
	if err != nil {
		return err
	}
	for n > 0 {
		gone, err := retry(func() (int, error) {
			gone, err := unix.Splice(fifo, nil, int(to.Fd()), nil, n, unix.SPLICE_F_NONBLOCK)
			return int(gone), err
		})
		if err == syscall.EAGAIN || err == nil && gone == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("splice to %s: %w", to.Name(), err)
		}
		n -= gone
	}
	return nil
}

func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != syscall.EINTR {
			return n, err
		}
	}
}
