package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// refusal is what is wrong with an archive, in words for the user.
type refusal string

func (r refusal) Error() string { return string(r) }

func refusef(format string, args ...any) error { return refusal(fmt.Sprintf(format, args...)) }

// archiveError says what an error of reading means for the archive.
func archiveError(ctx context.Context, err error) error {
	var disk *diskError
	var refused refusal
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &disk):
		return disk
	case errors.As(err, &refused):
		return refused
	case errors.Is(err, io.ErrUnexpectedEOF):
		return refusal("the archive is cut off")
	case errors.Is(err, tar.ErrHeader):
		return refusal("it is no image archive: neither a tar file nor a compressed one")
	}
	return fmt.Errorf("read the archive: %w", err)
}

// tally counts what has been read.
type tally struct {
	r io.Reader
	n int64
}

func (c *tally) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// withContext ends reading with a context.
type withContext struct {
	ctx context.Context //nolint:containedctx // a Reader has no other way
	r   io.Reader
}

func (c *withContext) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// bounded ends what expands beyond all measure.
type bounded struct {
	r          io.Reader
	compressed *tally
	n          int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	if b.n > freeExpansion && b.n/expansion > b.compressed.n {
		return n, refusef("its %d bytes expand to more than %d times as many: no image does", b.compressed.n, expansion)
	}
	return n, err
}

// diskWriter tells errors of our own disk from those of the archive.
type diskWriter struct{ f *os.File }

func (d *diskWriter) Write(p []byte) (int, error) {
	n, err := d.f.Write(p)
	if err != nil {
		err = &diskError{err}
	}
	return n, err
}

type diskError struct{ err error }

func (d *diskError) Error() string {
	return "write a scratch file: " + strings.TrimSpace(d.err.Error())
}
func (d *diskError) Unwrap() error { return d.err }
