package logs

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

// Options choose what Read gives; the zero value is everything there is. They are those of PodLogOptions.
type Options struct {
	Follow     bool      // go on when the log grows
	Tail       *int64    // the last lines only, of the chosen stream; nil for all
	Since      time.Time // nothing written before
	LimitBytes *int64    // stop after so many bytes of output; nil for no limit
	Timestamps bool      // each line begins with its time and a space
	Stream     string    // Stdout, Stderr or "" for both
}

// Read writes the log at path to w: the bytes that the container wrote since the log was last rotated, as the kubelet does. With Follow it
// goes on, in the logs that come after, until done is closed and the last one has been read to its end. It ends early, without an error, when the context does or the limit is reached.
// Records that cannot be understood are left out. With Tail, a line whose pieces stand between the other stream's may lack
// its first ones.
//
// Before it waits for more, Read calls w's Flush method if there is one (http.Flusher).
func Read(ctx context.Context, path string, o Options, w io.Writer, done <-chan struct{}) error {
	log, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { log.Close() }()
	start := int64(0)
	if o.Tail != nil {
		if start, err = tail(log, *o.Tail, o.Stream); err != nil {
			return err
		}
	}
	out := newPrinter(o, w)
	if !o.Follow {
		_, err = readFrom(ctx, log, start, out)
	} else {
		err = follow(ctx, path, &log, start, out, done)
	}
	if errors.Is(err, errLimit) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return errors.Join(err, out.flush())
}

// The garbage collector takes back what readers that wait do not need.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 2*maxRecord) }}

// readFrom prints the records from an offset on, and returns the offset behind the last one that is complete.
func readFrom(ctx context.Context, log *os.File, start int64, out *printer) (int64, error) {
	r := readers.Get().(*bufio.Reader)
	defer readers.Put(r)
	r.Reset(io.NewSectionReader(log, start, 1<<62))
	defer r.Reset(nil)
	for {
		if err := ctx.Err(); err != nil {
			return start, err
		}
		line, err := r.ReadSlice('\n')
		switch {
		case err == io.EOF: // perhaps of a record that is being written
			return start, nil
		case err != nil && err != bufio.ErrBufferFull:
			return start, err
		}
		start += int64(len(line))
		// A line longer than any record falls apart into pieces that are none.
		if rec, err := parseRecord(line); err == nil {
			if err := out.print(rec); err != nil {
				return start, err
			}
		}
	}
}

// errLimit ends reading: LimitBytes have been written.
var errLimit = errors.New("limit of bytes reached")

// A printer turns records back into what the container wrote.
type printer struct {
	Options
	out     *bufio.Writer
	flusher interface{ Flush() }
	left    int64 // of LimitBytes
	inside  bool  // the last record was a piece of a line
}

func newPrinter(o Options, w io.Writer) *printer {
	p := &printer{Options: o, out: bufio.NewWriterSize(w, 8<<10), left: 1<<63 - 1}
	p.flusher, _ = w.(interface{ Flush() })
	if o.LimitBytes != nil {
		p.left = *o.LimitBytes
	}
	return p
}

func (p *printer) print(r record) error {
	if p.Stream != "" && r.stream != p.Stream || r.at.Before(p.Since) {
		return nil
	}
	if p.Timestamps && !p.inside {
		if err := p.write(r.at.AppendFormat(make([]byte, 0, 64), timeFormat+" ")); err != nil {
			return err
		}
	}
	p.inside = r.partial
	if err := p.write(r.payload); err != nil || r.partial {
		return err
	}
	return p.write([]byte("\n"))
}

func (p *printer) write(b []byte) error {
	cut := b[:min(int64(len(b)), p.left)]
	p.left -= int64(len(cut))
	if _, err := p.out.Write(cut); err != nil {
		return err
	}
	if len(cut) < len(b) || p.left == 0 {
		return errLimit
	}
	return nil
}

func (p *printer) flush() error {
	if err := p.out.Flush(); err != nil {
		return err
	}
	if p.flusher != nil {
		p.flusher.Flush()
	}
	return nil
}
